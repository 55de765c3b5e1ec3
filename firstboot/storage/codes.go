package storage

import "slices"

// class is what a health code of Ceph means for a step.
type class int

const (
	// risk passes and is shown: the storage works, somebody should know.
	risk class = iota
	// holds is waited for: while it stands, a later step would build on sand.
	holds
	// stops needs a person: waiting does not help, and writing may do harm.
	stops
)

// code is one health code of Ceph, with the reason for its class.
type code struct {
	name  string
	class class
	why   string
}

// codes are the health codes that Ceph 19.2 and 20.2 know: those of monitors,
// managers, OSDs, placement groups and metadata servers, and of the modules. What
// is not in the table passes as a risk, unless Ceph calls it an error.
func codes() []code {
	return slices.Concat(monitorCodes(), osdCodes(), dataCodes(), fileCodes(), moduleCodes())
}

// codeOf finds a code's row.
func codeOf(name string) (code, bool) {
	all := codes()
	i := slices.IndexFunc(all, func(c code) bool { return c.name == name })
	if i < 0 {
		return code{}, false
	}
	return all[i], true
}

// Passes tells what a warning that holds nothing back means.
func Passes(name string) (why string, ok bool) {
	c, known := codeOf(name)
	if !known {
		return "See ceph health detail.", true
	}
	return c.why, c.class == risk
}

func monitorCodes() []code {
	const keys = "A key or cipher of the old kind is in use (CVE-2025-30156); the storage works. Change the keys as Ceph's release notes say."
	const stretch = "The cluster is in stretch mode, which Ringboot does not set up."
	return []code{
		{"MON_DOWN", holds, "a monitor is not in quorum"},
		{"MON_CLOCK_SKEW", holds, "the clocks differ by more than 0.05 s: chrony sets them, Ceph looks again every five minutes"},
		{"MON_DISK_CRIT", stops, "the system disk of a monitor is nearly full and the monitor will stop: make room on it"},
		{"MON_DISK_LOW", risk, "The system disk of a monitor is fuller than 70 %; it stops below 5 % free. Make room on it."},
		{"MON_DISK_BIG", risk, "The database of a monitor is large; it shrinks when all placement groups are clean."},
		{"MON_NETSPLIT", risk, "Monitors do not all hear each other, and are in quorum all the same. Look at the ring."},
		{"MON_MSGR2_NOT_ENABLED", risk, "A monitor does not listen for the newer protocol: ceph mon enable-msgr2."},
		{"DAEMON_OLD_VERSION", risk, "Daemons of an older version run: restart them after an upgrade."},
		{"AUTH_BAD_CAPS", risk, "A key has rights that cannot be understood: ceph auth ls."},
		{"AUTH_INSECURE_GLOBAL_ID_RECLAIM", risk, "An old client is connected: update it."},
		{"AUTH_INSECURE_GLOBAL_ID_RECLAIM_ALLOWED", risk, "Old clients may connect: ceph config set mon auth_allow_insecure_global_id_reclaim false."},
		{"AUTH_INSECURE_CLIENT_KEY_TYPE", risk, keys},
		{"AUTH_INSECURE_SERVICE_KEY_TYPE", risk, keys},
		{"AUTH_INSECURE_ROTATING_SERVICE_KEY_TYPE", risk, keys},
		{"AUTH_INSECURE_SERVICE_TICKETS", risk, keys},
		{"AUTH_INSECURE_KEYS_ALLOWED", risk, keys},
		{"AUTH_INSECURE_KEYS_CREATABLE", risk, keys},
		{"AUTH_EMERGENCY_CIPHERS_SET", risk, keys},
		{"DEGRADED_STRETCH_MODE", risk, stretch},
		{"RECOVERING_STRETCH_MODE", risk, stretch},
		{"INCORRECT_NUM_BUCKETS_STRETCH_MODE", risk, stretch},
		{"UNEVEN_WEIGHTS_STRETCH_MODE", risk, stretch},
		{"NONEXISTENT_MON_CRUSH_LOC_STRETCH_MODE", risk, stretch},
		{"MGR_DOWN", holds, "no manager is active yet"},
		{"MGR_MODULE_DEPENDENCY", risk, "A module of the manager that Proxmox VE does not use lacks a library."},
		{"MGR_MODULE_ERROR", risk, "A module of the manager broke off; the storage does not need it. ceph health detail names it, ceph mgr fail starts it anew."},
	}
}

func osdCodes() []code {
	const down = "OSDs are down"
	const stalled = "A disk did not answer for a while; the warning stays for a day. Look at the disk if it comes again."
	const old = "An OSD was made by a much older release: ceph-bluestore-tool repair."
	out := []code{
		{"OSD_DOWN", holds, "an OSD is down"},
		{"OSD_HOST_DOWN", holds, "all OSDs of a node are down"},
		{"OSD_UNREACHABLE", holds, "an OSD has an address outside the storage's network: look at ceph osd dump"},
		{"OSD_ORPHAN", risk, "The map of the cluster names an OSD that does not exist: ceph osd crush rm."},
		{"OSD_OUT_OF_ORDER_FULL", stops, "the limits for full OSDs are not in order: set them with ceph osd set-full-ratio"},
		{"OSD_FULL", stops, "an OSD is full and nothing can be written: add disks or delete data"},
		{"OSD_BACKFILLFULL", risk, "An OSD is too full to take copies: add disks or delete data."},
		{"OSD_NEARFULL", risk, "An OSD is nearly full: add disks or delete data."},
		{"OSDMAP_FLAGS", risk, "A flag is set that keeps the storage from mending itself, as for maintenance: ceph osd unset takes it away."},
		{"OSD_FLAGS", risk, "A flag is set on some OSDs, as for maintenance: ceph osd unset-group takes it away."},
		{"OSD_FILESTORE", risk, "An OSD is of a kind that is no longer made: destroy it and make it anew."},
		{"OSD_NO_SORTBITWISE", risk, "A flag of very old clusters is missing: ceph osd set sortbitwise."},
		{"OSD_SLOW_PING_TIME_BACK", risk, "The ring is slow between OSDs: look at the ring."},
		{"OSD_SLOW_PING_TIME_FRONT", risk, "The ring is slow between OSDs: look at the ring."},
		{"OSD_TOO_MANY_REPAIRS", risk, "A disk gave wrong data several times, and it was mended from copies: replace the disk."},
		{"OLD_CRUSH_TUNABLES", risk, "The map of the cluster has very old settings: ceph osd crush tunables optimal."},
		{"OLD_CRUSH_STRAW_CALC_VERSION", risk, "The map of the cluster has very old settings: ceph osd crush tunables optimal."},
		{"TOO_FEW_OSDS", holds, "OSDs are missing"},
		{"BLUEFS_SPILLOVER", risk, "The metadata of an OSD lies on the slower disk."},
		{"BLUEFS_AVAILABLE_SPACE", risk, "Ceph tells how much room the metadata of an OSD has."},
		{"BLUEFS_LOW_SPACE", risk, "The metadata of an OSD has little room left."},
		{"BLUESTORE_FRAGMENTATION", risk, "The free room of an OSD lies in many pieces; it becomes slower."},
		{"BLUESTORE_FREE_FRAGMENTATION", risk, "The free room of an OSD lies in many pieces; it becomes slower."},
		{"BLUESTORE_DISK_SIZE_MISMATCH", risk, "An OSD thinks its disk has another size: destroy it and make it anew, one at a time."},
		{"BLUESTORE_NO_COMPRESSION", risk, "An OSD cannot compress: restart it after an upgrade."},
		{"BLUESTORE_SPURIOUS_READ_ERRORS", risk, "A disk gave read errors that went away: look at the disk."},
		{"BLUESTORE_SLOW_OP_ALERT", risk, "A disk was slow for a moment; look at it if it stays."},
		{"BLUESTORE_LEGACY_STATFS", risk, old},
		{"BLUESTORE_NO_PER_POOL_OMAP", risk, old},
		{"BLUESTORE_NO_PER_PG_OMAP", risk, old},
		{"BLOCK_DEVICE_STALLED_READ_ALERT", risk, stalled},
		{"DB_DEVICE_STALLED_READ_ALERT", risk, stalled},
		{"WAL_DEVICE_STALLED_READ_ALERT", risk, stalled},
		{"DEVICE_HEALTH", risk, "A disk is expected to fail: replace it."},
		{"DEVICE_HEALTH_IN_USE", risk, "A disk that is expected to fail is still in use: its data moves away."},
		{"DEVICE_HEALTH_TOOMANY", risk, "Several disks are expected to fail: replace them one after the other."},
	}
	for _, kind := range []string{"CHASSIS", "RACK", "ROW", "PDU", "POD", "ROOM", "DATACENTER", "ZONE", "REGION", "ROOT"} {
		out = append(out, code{"OSD_" + kind + "_DOWN", holds, down})
	}
	return out
}

func dataCodes() []code {
	return []code{
		{"PG_AVAILABILITY", holds, "placement groups are not ready yet"},
		{"PG_DEGRADED", holds, "copies are being made"},
		{"PENDING_CREATING_PGS", holds, "placement groups are being made"},
		{"PG_DEGRADED_FULL", stops, "copies cannot be made because an OSD is full: add disks or delete data"},
		{"PG_RECOVERY_FULL", stops, "copies cannot be made because an OSD is full: add disks or delete data"},
		{"PG_BACKFILL_FULL", risk, "Data cannot move because an OSD is too full: add disks or delete data."},
		{"PG_DAMAGED", stops, "copies of some data differ: ceph health detail names them, ceph pg repair mends them"},
		{"OSD_SCRUB_ERRORS", stops, "copies of some data differ: ceph health detail names them, ceph pg repair mends them"},
		{"OBJECT_UNFOUND", stops, "the newest copy of some data is missing: bring back the OSD that has it"},
		{"OBJECT_MISPLACED", risk, "Data moves to where it belongs."},
		{"PG_NOT_SCRUBBED", risk, "Some data was not compared for long; it happens when there is time."},
		{"PG_NOT_DEEP_SCRUBBED", risk, "Some data was not read for long; it happens when there is time."},
		{"PG_SLOW_SNAP_TRIMMING", risk, "Old snapshots are removed slowly."},
		{"SLOW_OPS", risk, "Some requests took long: look at the disk that ceph health detail names if it stays."},
		{"REQUEST_SLOW", risk, "Some requests took long: look at the disk that ceph health detail names if it stays."},
		{"REQUEST_STUCK", risk, "Some requests take very long: look at the disk that ceph health detail names."},
		{"LARGE_OMAP_OBJECTS", risk, "An object has very many entries; look at the program that makes it."},
		{"MANY_OBJECTS_PER_PG", risk, "A pool has few placement groups for its data; the autoscaler adds some."},
		{"SMALLER_PGP_NUM", risk, "Data of a pool is spread less than it could be: ceph osd pool set NAME pgp_num."},
		{"TOO_FEW_PGS", risk, "The autoscaler will add placement groups as data comes."},
		{"TOO_MANY_PGS", risk, "The autoscaler will merge placement groups."},
		{"POOL_TOO_FEW_PGS", risk, "The autoscaler will add placement groups as data comes."},
		{"POOL_TOO_MANY_PGS", risk, "The autoscaler will merge placement groups."},
		{"POOL_PG_NUM_NOT_POWER_OF_TWO", risk, "The number of placement groups of a pool is odd; the autoscaler changes it."},
		{"POOL_TARGET_SIZE_BYTES_OVERCOMMITTED", risk, "A pool is expected to become larger than the storage: correct target_size_bytes."},
		{"POOL_HAS_TARGET_SIZE_BYTES_AND_RATIO", risk, "A pool has two expectations of its size: take one away."},
		{"POOL_APP_NOT_ENABLED", risk, "A pool says not what it is for: ceph osd pool application enable."},
		{"POOL_NO_REDUNDANCY", risk, "A pool keeps one copy only: a disk that dies takes its data along."},
		{"POOL_FULL", stops, "a pool is full: add disks, delete data or raise its quota"},
		{"POOL_NEAR_FULL", risk, "A pool is nearly full: add disks, delete data or raise its quota."},
		{"POOL_NEARFULL", risk, "A pool is nearly full: add disks, delete data or raise its quota."},
		{"POOL_BACKFILLFULL", risk, "A pool is too full to move data: add disks or delete data."},
		{"CACHE_POOL_NEAR_FULL", risk, "A pool that caches another is nearly full; Ringboot makes none."},
		{"CACHE_POOL_NO_HIT_SET", risk, "A pool that caches another is set up by half; Ringboot makes none."},
		{"RECENT_CRASH", risk, "A daemon has crashed: ceph crash ls shows it, ceph crash archive-all puts it aside once it is understood."},
		{"RECENT_MGR_MODULE_CRASH", risk, "A module of the manager crashed once; ceph crash ls shows it."},
		{"TELEMETRY_CHANGED", risk, "Telemetry is off and asks to be looked at; nothing is sent."},
	}
}

func fileCodes() []code {
	const client = "A client of CephFS answers slowly: ceph health detail names it."
	return []code{
		{"FS_DEGRADED", holds, "CephFS is not ready yet"},
		{"FS_WITH_FAILED_MDS", holds, "a metadata server of CephFS has failed and none takes its place"},
		{"MDS_ALL_DOWN", holds, "no metadata server of CephFS runs yet"},
		{"MDS_DAMAGE", stops, "metadata of CephFS is damaged: see ceph tell mds.0 damage ls"},
		{"MDS_HEALTH_READ_ONLY", stops, "CephFS takes no writes: see the log of its metadata server"},
		{"MDS_READ_ONLY", stops, "CephFS takes no writes: see the log of its metadata server"},
		{"MDS_UP_LESS_THAN_MAX", risk, "Fewer metadata servers run than are wanted."},
		{"MDS_INSUFFICIENT_STANDBY", risk, "No metadata server stands by to take over."},
		{"MDS_DEGRADED", risk, "CephFS changes its metadata server."},
		{"FS_INLINE_DATA_DEPRECATED", risk, "A CephFS uses a setting that goes: ceph fs set NAME inline_data false."},
		{"MDS_TRIM", risk, "The metadata server is behind with its journal."},
		{"MDS_CACHE_OVERSIZED", risk, "The metadata server needs more memory than it should."},
		{"MDS_SLOW_REQUEST", risk, "Requests to CephFS take long."},
		{"MDS_SLOW_METADATA_IO", risk, "The metadata of CephFS is written slowly: look at the disks."},
		{"MDS_ESTIMATED_REPLAY_TIME", risk, "A metadata server reads its journal."},
		{"MDS_CLIENT_RECALL", risk, client},
		{"MDS_CLIENT_RECALL_MANY", risk, client},
		{"MDS_CLIENT_LATE_RELEASE", risk, client},
		{"MDS_CLIENT_LATE_RELEASE_MANY", risk, client},
		{"MDS_CLIENT_OLDEST_TID", risk, client},
		{"MDS_CLIENT_OLDEST_TID_MANY", risk, client},
		{"MDS_CLIENTS_LAGGY", risk, client},
		{"MDS_CLIENTS_BROKEN_ROOTSQUASH", risk, "A client of CephFS has a known fault with root_squash: update it."},
	}
}

func moduleCodes() []code {
	const cephadm = "The module cephadm complains, which Proxmox VE does not use: ceph mgr module disable cephadm."
	const hardware = "The module for hardware complains, which Proxmox VE does not use: look at the machine."
	const gateway = "A gateway for NVMe over fabrics complains, which Ringboot does not set up."
	out := []code{{"DASHBOARD_DEBUG", risk, "The dashboard of Ceph runs in debug mode: ceph dashboard debug disable."}}
	for why, names := range map[string][]string{
		cephadm: {"CEPHADM_PAUSED", "CEPHADM_STRAY_HOST", "CEPHADM_STRAY_DAEMON", "CEPHADM_HOST_CHECK_FAILED", "CEPHADM_FAILED_DAEMON", "CEPHADM_APPLY_SPEC_FAIL",
			"CEPHADM_DAEMON_PLACE_FAIL", "CEPHADM_REFRESH_FAILED", "CEPHADM_AGENT_DOWN", "CEPHADM_CERT_ERROR", "CEPHADM_CERT_WARNING", "CEPHADM_INVALID_CONFIG_OPTION",
			"CEPHADM_FAILED_SET_OPTION", "CEPHADM_UNMANAGED_OSD_SPEC", "CEPHADM_CHECK_OS", "CEPHADM_CHECK_SUBSCRIPTION", "CEPHADM_CHECK_KERNEL_LSM", "CEPHADM_CHECK_MTU",
			"CEPHADM_CHECK_LINKSPEED", "CEPHADM_CHECK_PUBLIC_MEMBERSHIP", "CEPHADM_CHECK_CLUSTER_MEMBERSHIP", "CEPHADM_CHECK_DAEMON_DISABLED", "CEPHADM_CHECK_CEPH_RELEASE",
			"CEPHADM_CHECK_KERNEL_VERSION", "UPGRADE_FAILED_PULL", "UPGRADE_REDEPLOY_DAEMON", "UPGRADE_EXCEPTION", "UPGRADE_NO_STANDBY_MGR", "UPGRADE_OFFLINE_HOST", "UPGRADE_BAD_TARGET_VERSION"},
		hardware: {"HARDWARE_STORAGE", "HARDWARE_MEMORY", "HARDWARE_PROCESSORS", "HARDWARE_NETWORK", "HARDWARE_POWER", "HARDWARE_FANS"},
		gateway:  {"NVMEOF_SINGLE_GATEWAY", "NVMEOF_GATEWAY_DOWN", "NVMEOF_GATEWAY_DELETING"},
	} {
		for _, name := range names {
			out = append(out, code{name, risk, why})
		}
	}
	return out
}
