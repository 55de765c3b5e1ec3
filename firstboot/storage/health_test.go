package storage

import (
	"slices"
	"strings"
	"testing"

	"ringboot/firstboot/pve"
	"ringboot/rehearsal/need"
)

// known are the health codes that the sources of Ceph 19.2 and 20.2 raise: those
// of monitors, OSD map, placement groups, metadata servers and manager modules.
const known = `
AUTH_BAD_CAPS AUTH_EMERGENCY_CIPHERS_SET AUTH_INSECURE_CLIENT_KEY_TYPE AUTH_INSECURE_GLOBAL_ID_RECLAIM AUTH_INSECURE_GLOBAL_ID_RECLAIM_ALLOWED
AUTH_INSECURE_KEYS_ALLOWED AUTH_INSECURE_KEYS_CREATABLE AUTH_INSECURE_ROTATING_SERVICE_KEY_TYPE AUTH_INSECURE_SERVICE_KEY_TYPE AUTH_INSECURE_SERVICE_TICKETS
BLOCK_DEVICE_STALLED_READ_ALERT BLUEFS_AVAILABLE_SPACE BLUEFS_LOW_SPACE BLUEFS_SPILLOVER BLUESTORE_DISK_SIZE_MISMATCH BLUESTORE_FRAGMENTATION
BLUESTORE_FREE_FRAGMENTATION BLUESTORE_LEGACY_STATFS BLUESTORE_NO_COMPRESSION BLUESTORE_NO_PER_PG_OMAP BLUESTORE_NO_PER_POOL_OMAP BLUESTORE_SLOW_OP_ALERT
BLUESTORE_SPURIOUS_READ_ERRORS CACHE_POOL_NEAR_FULL CACHE_POOL_NO_HIT_SET CEPHADM_AGENT_DOWN CEPHADM_APPLY_SPEC_FAIL CEPHADM_CERT_ERROR CEPHADM_CHECK_CEPH_RELEASE
CEPHADM_CHECK_CLUSTER_MEMBERSHIP CEPHADM_CHECK_DAEMON_DISABLED CEPHADM_CHECK_KERNEL_LSM CEPHADM_CHECK_KERNEL_VERSION CEPHADM_CHECK_LINKSPEED CEPHADM_CHECK_MTU
CEPHADM_CHECK_OS CEPHADM_CHECK_PUBLIC_MEMBERSHIP CEPHADM_CHECK_SUBSCRIPTION CEPHADM_DAEMON_PLACE_FAIL CEPHADM_FAILED_DAEMON CEPHADM_FAILED_SET_OPTION
CEPHADM_HOST_CHECK_FAILED CEPHADM_INVALID_CONFIG_OPTION CEPHADM_PAUSED CEPHADM_REFRESH_FAILED CEPHADM_STRAY_DAEMON CEPHADM_STRAY_HOST CEPHADM_UNMANAGED_OSD_SPEC
DAEMON_OLD_VERSION DASHBOARD_DEBUG DB_DEVICE_STALLED_READ_ALERT DEGRADED_STRETCH_MODE DEVICE_HEALTH DEVICE_HEALTH_IN_USE DEVICE_HEALTH_TOOMANY FS_DEGRADED
FS_INLINE_DATA_DEPRECATED FS_WITH_FAILED_MDS HARDWARE_FANS HARDWARE_MEMORY HARDWARE_NETWORK HARDWARE_POWER HARDWARE_PROCESSORS HARDWARE_STORAGE
INCORRECT_NUM_BUCKETS_STRETCH_MODE LARGE_OMAP_OBJECTS MANY_OBJECTS_PER_PG MDS_ALL_DOWN MDS_CACHE_OVERSIZED MDS_CLIENTS_BROKEN_ROOTSQUASH MDS_CLIENTS_LAGGY
MDS_CLIENT_LATE_RELEASE MDS_CLIENT_LATE_RELEASE_MANY MDS_CLIENT_OLDEST_TID MDS_CLIENT_OLDEST_TID_MANY MDS_CLIENT_RECALL MDS_CLIENT_RECALL_MANY MDS_DAMAGE
MDS_ESTIMATED_REPLAY_TIME MDS_INSUFFICIENT_STANDBY MDS_READ_ONLY MDS_SLOW_METADATA_IO MDS_SLOW_REQUEST MDS_TRIM MDS_UP_LESS_THAN_MAX MGR_DOWN MGR_MODULE_DEPENDENCY
MGR_MODULE_ERROR MON_CLOCK_SKEW MON_DISK_BIG MON_DISK_CRIT MON_DISK_LOW MON_DOWN MON_MSGR2_NOT_ENABLED MON_NETSPLIT NONEXISTENT_MON_CRUSH_LOC_STRETCH_MODE
NVMEOF_GATEWAY_DELETING NVMEOF_GATEWAY_DOWN NVMEOF_SINGLE_GATEWAY OBJECT_MISPLACED OBJECT_UNFOUND OLD_CRUSH_STRAW_CALC_VERSION OLD_CRUSH_TUNABLES OSDMAP_FLAGS
OSD_BACKFILLFULL OSD_CHASSIS_DOWN OSD_DATACENTER_DOWN OSD_DOWN OSD_FILESTORE OSD_FLAGS OSD_FULL OSD_HOST_DOWN OSD_NEARFULL OSD_NO_SORTBITWISE OSD_ORPHAN
OSD_OUT_OF_ORDER_FULL OSD_PDU_DOWN OSD_POD_DOWN OSD_RACK_DOWN OSD_REGION_DOWN OSD_ROOM_DOWN OSD_ROOT_DOWN OSD_ROW_DOWN OSD_SCRUB_ERRORS OSD_SLOW_PING_TIME_BACK
OSD_SLOW_PING_TIME_FRONT OSD_TOO_MANY_REPAIRS OSD_UNREACHABLE OSD_ZONE_DOWN PENDING_CREATING_PGS PG_AVAILABILITY PG_BACKFILL_FULL PG_DAMAGED PG_DEGRADED
PG_DEGRADED_FULL PG_NOT_DEEP_SCRUBBED PG_NOT_SCRUBBED PG_RECOVERY_FULL PG_SLOW_SNAP_TRIMMING POOL_APP_NOT_ENABLED POOL_BACKFILLFULL POOL_FULL
POOL_HAS_TARGET_SIZE_BYTES_AND_RATIO POOL_NEARFULL POOL_NEAR_FULL POOL_NO_REDUNDANCY POOL_PG_NUM_NOT_POWER_OF_TWO POOL_TARGET_SIZE_BYTES_OVERCOMMITTED
POOL_TOO_FEW_PGS POOL_TOO_MANY_PGS RECENT_CRASH RECENT_MGR_MODULE_CRASH RECOVERING_STRETCH_MODE REQUEST_SLOW REQUEST_STUCK SLOW_OPS SMALLER_PGP_NUM
TELEMETRY_CHANGED TOO_FEW_OSDS TOO_FEW_PGS TOO_MANY_PGS UNEVEN_WEIGHTS_STRETCH_MODE UPGRADE_BAD_TARGET_VERSION UPGRADE_EXCEPTION UPGRADE_FAILED_PULL
UPGRADE_NO_STANDBY_MGR UPGRADE_OFFLINE_HOST UPGRADE_REDEPLOY_DAEMON WAL_DEVICE_STALLED_READ_ALERT`

// sound is a storage that works, with some warnings.
func sound(checks ...pve.Check) pve.Health {
	return pve.Health{Status: "HEALTH_WARN", Checks: checks, Quorum: []string{"frege", "russell", "wittgenstein"}, Monitors: 3, OSDs: 3, Up: 3, In: 3, PGs: 33, Clean: 33}
}

func TestEveryHealthCodeIsClassified(t *testing.T) {
	missing := 0
	for _, name := range strings.Fields(known) {
		if c, ok := codeOf(name); !ok || len(c.why) < 10 {
			missing++
			t.Errorf("%s has no row, or no reason", name)
		}
	}
	var names []string
	for _, c := range codes() {
		if slices.Contains(names, c.name) {
			t.Errorf("%s has two rows", c.name)
		}
		names = append(names, c.name)
		got := JudgeHealth(sound(pve.Check{Code: c.name, Severity: "HEALTH_WARN", Message: "something"}), 3)
		want := [...]bool{risk: len(got.Risks) == 1 && got.Wait+got.Stop == "", holds: got.Wait != "" && got.Stop == "", stops: got.Stop != "" && got.Wait == ""}[c.class]
		if !want {
			t.Errorf("%s of class %d: %+v", c.name, c.class, got)
		}
	}
	need.Figure("health.codes_classified", len(names), "codes")
	need.Figure("health.codes_unclassified", missing, "codes")
}

// A warning passes once the storage is sound, and what is not sound is waited
// for whatever Ceph calls it.
func TestWhatHoldsAStepBack(t *testing.T) {
	for name, c := range map[string]struct {
		health     pve.Health
		wait, stop string
		risks      int
	}{
		"healthy":                 {health: sound()},
		"nobody knows it":         {health: sound(pve.Check{Code: "BRAND_NEW", Severity: "HEALTH_WARN", Message: "hm"}), risks: 1},
		"nobody knows the error":  {health: sound(pve.Check{Code: "BRAND_NEW", Severity: "HEALTH_ERR", Message: "hm"}), wait: `Ceph calls it an error: "hm" (BRAND_NEW), see ceph health detail`},
		"keys of the old kind":    {health: sound(pve.Check{Code: "AUTH_INSECURE_SERVICE_KEY_TYPE", Severity: "HEALTH_ERR", Message: "hm"}, pve.Check{Code: "AUTH_INSECURE_KEYS_ALLOWED", Severity: "HEALTH_WARN", Message: "hm"}), risks: 2},
		"noout, for maintenance":  {health: sound(pve.Check{Code: "OSDMAP_FLAGS", Severity: "HEALTH_WARN", Message: "noout flag(s) set"}), risks: 1},
		"muted by its owner":      {health: sound(pve.Check{Code: "OSD_FULL", Severity: "HEALTH_ERR", Muted: true})},
		"full":                    {health: sound(pve.Check{Code: "OSD_FULL", Severity: "HEALTH_ERR", Message: "1 full osd(s)"}), stop: "Ceph: an OSD is full and nothing can be written: add disks or delete data (1 full osd(s))"},
		"a monitor is not there":  {health: func() pve.Health { h := sound(); h.Quorum = h.Quorum[:2]; return h }(), wait: "2 of 3 monitors are in quorum"},
		"an OSD is out":           {health: func() pve.Health { h := sound(); h.In = 2; return h }(), wait: "3 of 3 OSDs are up and 2 are in"},
		"copies are being made":   {health: func() pve.Health { h := sound(); h.Clean = 30; return h }(), wait: "30 of 33 placement groups are clean"},
		"the clocks differ still": {health: sound(pve.Check{Code: "MON_CLOCK_SKEW", Message: "clock skew detected"}), wait: `Ceph says "clock skew detected": the clocks differ by more than 0.05 s: chrony sets them, Ceph looks again every five minutes`},
	} {
		if got := JudgeHealth(c.health, 3); got.Wait != c.wait || got.Stop != c.stop || len(got.Risks) != c.risks {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
