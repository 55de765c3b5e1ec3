package spelling

// Tables of facts. zonesOf is zone.tab of the tz database 2026f (public domain), by
// country; links are that release's other names of these zones; countryCodes are
// the alpha-2 codes of ISO 3166-1 as of iso-codes 4.18. The installer builds its own lists
// of the same two sources. zone.tab and the codes are equal from 2025b to 2026f and from
// 4.15 to 4.18, which covers every ISO of the table of releases.

const countryCodes = `
ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bl bm bn bo bq br bs bt bv bw by bz ca cc cd cf cg ch ci ck cl cm cn co cr
cu cv cw cx cy cz de dj dk dm do dz ec ee eg eh er es et fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu
id ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu lv ly ma mc md me mf mg mh mk ml mm mn mo mp mq
mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si
sj sk sl sm sn so sr ss st sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug um us uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw`

const zonesOf = `
ad Europe/Andorra
ae Asia/Dubai
af Asia/Kabul
ag America/Antigua
ai America/Anguilla
al Europe/Tirane
am Asia/Yerevan
ao Africa/Luanda
aq Antarctica/Casey Antarctica/Davis Antarctica/DumontDUrville Antarctica/Mawson Antarctica/McMurdo Antarctica/Palmer Antarctica/Rothera Antarctica/Syowa Antarctica/Troll Antarctica/Vostok
ar America/Argentina/Buenos_Aires America/Argentina/Catamarca America/Argentina/Cordoba America/Argentina/Jujuy America/Argentina/La_Rioja America/Argentina/Mendoza America/Argentina/Rio_Gallegos America/Argentina/Salta America/Argentina/San_Juan America/Argentina/San_Luis America/Argentina/Tucuman America/Argentina/Ushuaia
as Pacific/Pago_Pago
at Europe/Vienna
au Antarctica/Macquarie Australia/Adelaide Australia/Brisbane Australia/Broken_Hill Australia/Darwin Australia/Eucla Australia/Hobart Australia/Lindeman Australia/Lord_Howe Australia/Melbourne Australia/Perth Australia/Sydney
aw America/Aruba
ax Europe/Mariehamn
az Asia/Baku
ba Europe/Sarajevo
bb America/Barbados
bd Asia/Dhaka
be Europe/Brussels
bf Africa/Ouagadougou
bg Europe/Sofia
bh Asia/Bahrain
bi Africa/Bujumbura
bj Africa/Porto-Novo
bl America/St_Barthelemy
bm Atlantic/Bermuda
bn Asia/Brunei
bo America/La_Paz
bq America/Kralendijk
br America/Araguaina America/Bahia America/Belem America/Boa_Vista America/Campo_Grande America/Cuiaba America/Eirunepe America/Fortaleza America/Maceio America/Manaus America/Noronha America/Porto_Velho America/Recife America/Rio_Branco America/Santarem America/Sao_Paulo
bs America/Nassau
bt Asia/Thimphu
bw Africa/Gaborone
by Europe/Minsk
bz America/Belize
ca America/Atikokan America/Blanc-Sablon America/Cambridge_Bay America/Creston America/Dawson America/Dawson_Creek America/Edmonton America/Fort_Nelson America/Glace_Bay America/Goose_Bay America/Halifax America/Inuvik America/Iqaluit America/Moncton America/Rankin_Inlet America/Regina America/Resolute America/St_Johns America/Swift_Current America/Toronto America/Vancouver America/Whitehorse America/Winnipeg
cc Indian/Cocos
cd Africa/Kinshasa Africa/Lubumbashi
cf Africa/Bangui
cg Africa/Brazzaville
ch Europe/Zurich
ci Africa/Abidjan
ck Pacific/Rarotonga
cl America/Coyhaique America/Punta_Arenas America/Santiago Pacific/Easter
cm Africa/Douala
cn Asia/Shanghai Asia/Urumqi
co America/Bogota
cr America/Costa_Rica
cu America/Havana
cv Atlantic/Cape_Verde
cw America/Curacao
cx Indian/Christmas
cy Asia/Famagusta Asia/Nicosia
cz Europe/Prague
de Europe/Berlin Europe/Busingen
dj Africa/Djibouti
dk Europe/Copenhagen
dm America/Dominica
do America/Santo_Domingo
dz Africa/Algiers
ec America/Guayaquil Pacific/Galapagos
ee Europe/Tallinn
eg Africa/Cairo
eh Africa/El_Aaiun
er Africa/Asmara
es Africa/Ceuta Atlantic/Canary Europe/Madrid
et Africa/Addis_Ababa
fi Europe/Helsinki
fj Pacific/Fiji
fk Atlantic/Stanley
fm Pacific/Chuuk Pacific/Kosrae Pacific/Pohnpei
fo Atlantic/Faroe
fr Europe/Paris
ga Africa/Libreville
gb Europe/London
gd America/Grenada
ge Asia/Tbilisi
gf America/Cayenne
gg Europe/Guernsey
gh Africa/Accra
gi Europe/Gibraltar
gl America/Danmarkshavn America/Nuuk America/Scoresbysund America/Thule
gm Africa/Banjul
gn Africa/Conakry
gp America/Guadeloupe
gq Africa/Malabo
gr Europe/Athens
gs Atlantic/South_Georgia
gt America/Guatemala
gu Pacific/Guam
gw Africa/Bissau
gy America/Guyana
hk Asia/Hong_Kong
hn America/Tegucigalpa
hr Europe/Zagreb
ht America/Port-au-Prince
hu Europe/Budapest
id Asia/Jakarta Asia/Jayapura Asia/Makassar Asia/Pontianak
ie Europe/Dublin
il Asia/Jerusalem
im Europe/Isle_of_Man
in Asia/Kolkata
io Indian/Chagos
iq Asia/Baghdad
ir Asia/Tehran
is Atlantic/Reykjavik
it Europe/Rome
je Europe/Jersey
jm America/Jamaica
jo Asia/Amman
jp Asia/Tokyo
ke Africa/Nairobi
kg Asia/Bishkek
kh Asia/Phnom_Penh
ki Pacific/Kanton Pacific/Kiritimati Pacific/Tarawa
km Indian/Comoro
kn America/St_Kitts
kp Asia/Pyongyang
kr Asia/Seoul
kw Asia/Kuwait
ky America/Cayman
kz Asia/Almaty Asia/Aqtau Asia/Aqtobe Asia/Atyrau Asia/Oral Asia/Qostanay Asia/Qyzylorda
la Asia/Vientiane
lb Asia/Beirut
lc America/St_Lucia
li Europe/Vaduz
lk Asia/Colombo
lr Africa/Monrovia
ls Africa/Maseru
lt Europe/Vilnius
lu Europe/Luxembourg
lv Europe/Riga
ly Africa/Tripoli
ma Africa/Casablanca
mc Europe/Monaco
md Europe/Chisinau
me Europe/Podgorica
mf America/Marigot
mg Indian/Antananarivo
mh Pacific/Kwajalein Pacific/Majuro
mk Europe/Skopje
ml Africa/Bamako
mm Asia/Yangon
mn Asia/Hovd Asia/Ulaanbaatar
mo Asia/Macau
mp Pacific/Saipan
mq America/Martinique
mr Africa/Nouakchott
ms America/Montserrat
mt Europe/Malta
mu Indian/Mauritius
mv Indian/Maldives
mw Africa/Blantyre
mx America/Bahia_Banderas America/Cancun America/Chihuahua America/Ciudad_Juarez America/Hermosillo America/Matamoros America/Mazatlan America/Merida America/Mexico_City America/Monterrey America/Ojinaga America/Tijuana
my Asia/Kuala_Lumpur Asia/Kuching
mz Africa/Maputo
na Africa/Windhoek
nc Pacific/Noumea
ne Africa/Niamey
nf Pacific/Norfolk
ng Africa/Lagos
ni America/Managua
nl Europe/Amsterdam
no Europe/Oslo
np Asia/Kathmandu
nr Pacific/Nauru
nu Pacific/Niue
nz Pacific/Auckland Pacific/Chatham
om Asia/Muscat
pa America/Panama
pe America/Lima
pf Pacific/Gambier Pacific/Marquesas Pacific/Tahiti
pg Pacific/Bougainville Pacific/Port_Moresby
ph Asia/Manila
pk Asia/Karachi
pl Europe/Warsaw
pm America/Miquelon
pn Pacific/Pitcairn
pr America/Puerto_Rico
ps Asia/Gaza Asia/Hebron
pt Atlantic/Azores Atlantic/Madeira Europe/Lisbon
pw Pacific/Palau
py America/Asuncion
qa Asia/Qatar
re Indian/Reunion
ro Europe/Bucharest
rs Europe/Belgrade
ru Asia/Anadyr Asia/Barnaul Asia/Chita Asia/Irkutsk Asia/Kamchatka Asia/Khandyga Asia/Krasnoyarsk Asia/Magadan Asia/Novokuznetsk Asia/Novosibirsk Asia/Omsk Asia/Sakhalin Asia/Srednekolymsk Asia/Tomsk Asia/Ust-Nera Asia/Vladivostok Asia/Yakutsk Asia/Yekaterinburg Europe/Astrakhan Europe/Kaliningrad Europe/Kirov Europe/Moscow Europe/Samara Europe/Saratov Europe/Ulyanovsk Europe/Volgograd
rw Africa/Kigali
sa Asia/Riyadh
sb Pacific/Guadalcanal
sc Indian/Mahe
sd Africa/Khartoum
se Europe/Stockholm
sg Asia/Singapore
sh Atlantic/St_Helena
si Europe/Ljubljana
sj Arctic/Longyearbyen
sk Europe/Bratislava
sl Africa/Freetown
sm Europe/San_Marino
sn Africa/Dakar
so Africa/Mogadishu
sr America/Paramaribo
ss Africa/Juba
st Africa/Sao_Tome
sv America/El_Salvador
sx America/Lower_Princes
sy Asia/Damascus
sz Africa/Mbabane
tc America/Grand_Turk
td Africa/Ndjamena
tf Indian/Kerguelen
tg Africa/Lome
th Asia/Bangkok
tj Asia/Dushanbe
tk Pacific/Fakaofo
tl Asia/Dili
tm Asia/Ashgabat
tn Africa/Tunis
to Pacific/Tongatapu
tr Europe/Istanbul
tt America/Port_of_Spain
tv Pacific/Funafuti
tw Asia/Taipei
tz Africa/Dar_es_Salaam
ua Europe/Kyiv Europe/Simferopol
ug Africa/Kampala
um Pacific/Midway Pacific/Wake
us America/Adak America/Anchorage America/Boise America/Chicago America/Denver America/Detroit America/Indiana/Indianapolis America/Indiana/Knox America/Indiana/Marengo America/Indiana/Petersburg America/Indiana/Tell_City America/Indiana/Vevay America/Indiana/Vincennes America/Indiana/Winamac America/Juneau America/Kentucky/Louisville America/Kentucky/Monticello America/Los_Angeles America/Menominee America/Metlakatla America/New_York America/Nome America/North_Dakota/Beulah America/North_Dakota/Center America/North_Dakota/New_Salem America/Phoenix America/Sitka America/Yakutat Pacific/Honolulu
uy America/Montevideo
uz Asia/Samarkand Asia/Tashkent
va Europe/Vatican
vc America/St_Vincent
ve America/Caracas
vg America/Tortola
vi America/St_Thomas
vn Asia/Ho_Chi_Minh
vu Pacific/Efate
wf Pacific/Wallis
ws Pacific/Apia
ye Asia/Aden
yt Indian/Mayotte
za Africa/Johannesburg
zm Africa/Lusaka
zw Africa/Harare`

// links: the zone of the list, then the names that mean it.
const zoneLinks = `
Africa/Asmara Africa/Asmera
Africa/Bamako Africa/Timbuktu
Africa/Cairo Egypt
Africa/Tripoli Libya
America/Adak America/Atka US/Aleutian
America/Anchorage US/Alaska
America/Argentina/Buenos_Aires America/Buenos_Aires
America/Argentina/Catamarca America/Argentina/ComodRivadavia America/Catamarca
America/Argentina/Cordoba America/Cordoba America/Rosario
America/Argentina/Jujuy America/Jujuy
America/Argentina/Mendoza America/Mendoza
America/Atikokan America/Coral_Harbour
America/Chicago CST6CDT US/Central
America/Denver America/Shiprock MST7MDT Navajo US/Mountain
America/Detroit US/Michigan
America/Edmonton America/Yellowknife Canada/Mountain
America/Halifax Canada/Atlantic
America/Havana Cuba
America/Indiana/Indianapolis America/Fort_Wayne America/Indianapolis US/East-Indiana
America/Indiana/Knox America/Knox_IN US/Indiana-Starke
America/Iqaluit America/Pangnirtung
America/Jamaica Jamaica
America/Kentucky/Louisville America/Louisville
America/Los_Angeles PST8PDT US/Pacific
America/Manaus Brazil/West
America/Mazatlan Mexico/BajaSur
America/Mexico_City Mexico/General
America/New_York EST5EDT US/Eastern
America/Noronha Brazil/DeNoronha
America/Nuuk America/Godthab
America/Panama EST
America/Phoenix MST US/Arizona
America/Regina Canada/Saskatchewan
America/Rio_Branco America/Porto_Acre Brazil/Acre
America/Santiago Chile/Continental
America/Sao_Paulo Brazil/East
America/St_Johns Canada/Newfoundland
America/St_Thomas America/Virgin
America/Tijuana America/Ensenada America/Santa_Isabel Mexico/BajaNorte
America/Toronto America/Montreal America/Nipigon America/Thunder_Bay Canada/Eastern
America/Vancouver Canada/Pacific
America/Whitehorse Canada/Yukon
America/Winnipeg America/Rainy_River Canada/Central
Antarctica/McMurdo Antarctica/South_Pole
Asia/Ashgabat Asia/Ashkhabad
Asia/Dhaka Asia/Dacca
Asia/Ho_Chi_Minh Asia/Saigon
Asia/Hong_Kong Hongkong
Asia/Jerusalem Asia/Tel_Aviv Israel
Asia/Kathmandu Asia/Katmandu
Asia/Kolkata Asia/Calcutta
Asia/Macau Asia/Macao
Asia/Makassar Asia/Ujung_Pandang
Asia/Nicosia Europe/Nicosia
Asia/Seoul ROK
Asia/Shanghai Asia/Chongqing Asia/Chungking Asia/Harbin PRC
Asia/Singapore Singapore
Asia/Taipei ROC
Asia/Tehran Iran
Asia/Thimphu Asia/Thimbu
Asia/Tokyo Japan
Asia/Ulaanbaatar Asia/Choibalsan Asia/Ulan_Bator
Asia/Urumqi Asia/Kashgar
Asia/Yangon Asia/Rangoon
Atlantic/Faroe Atlantic/Faeroe
Atlantic/Reykjavik Iceland
Australia/Adelaide Australia/South
Australia/Brisbane Australia/Queensland
Australia/Broken_Hill Australia/Yancowinna
Australia/Darwin Australia/North
Australia/Hobart Australia/Currie Australia/Tasmania
Australia/Lord_Howe Australia/LHI
Australia/Melbourne Australia/Victoria
Australia/Perth Australia/West
Australia/Sydney Australia/ACT Australia/Canberra Australia/NSW
Europe/Athens EET
Europe/Brussels CET MET
Europe/Chisinau Europe/Tiraspol
Europe/Dublin Eire
Europe/Istanbul Asia/Istanbul Turkey
Europe/Kyiv Europe/Kiev Europe/Uzhgorod Europe/Zaporozhye
Europe/Lisbon Portugal WET
Europe/London Europe/Belfast GB GB-Eire
Europe/Moscow W-SU
Europe/Oslo Atlantic/Jan_Mayen
Europe/Warsaw Poland
Pacific/Auckland NZ
Pacific/Chatham NZ-CHAT
Pacific/Chuuk Pacific/Truk Pacific/Yap
Pacific/Easter Chile/EasterIsland
Pacific/Honolulu HST Pacific/Johnston US/Hawaii
Pacific/Kanton Pacific/Enderbury
Pacific/Kwajalein Kwajalein
Pacific/Pago_Pago Pacific/Samoa US/Samoa
Pacific/Pohnpei Pacific/Ponape
UTC Etc/GMT Etc/GMT+0 Etc/GMT-0 Etc/GMT0 Etc/Greenwich Etc/UCT Etc/UTC Etc/Universal Etc/Zulu GMT GMT+0 GMT-0 GMT0 Greenwich UCT Universal Zulu`
