#!/usr/bin/env bash
# A Slurm of one node on this machine, for tests: slurm.sh start | stop
#
# Needs root and Debian's packages (apt-get install slurm-wlm munge). It writes
# /etc/slurm/slurm.conf, as jobs do not get SLURM_CONF, and takes it away again; where there is
# one already that is not its own it does nothing.
set -euo pipefail

CONF=/etc/slurm/slurm.conf
STATE=/var/tmp/forestry-slurm
MARK="# Written by Forestry's tests/runs/slurm.sh"

configuration() {
    local host memory
    host=$(hostname -s)
    memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.8)}' /proc/meminfo)
    cat <<EOF
$MARK
ClusterName=forestry
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
SlurmUser=root
SlurmctldPidFile=$STATE/slurmctld.pid
SlurmdPidFile=$STATE/slurmd.pid
SlurmctldLogFile=$STATE/slurmctld.log
SlurmdLogFile=$STATE/slurmd.log
StateSaveLocation=$STATE/state
SlurmdSpoolDir=$STATE/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
ReturnToService=2
MpiDefault=none
KillWait=5
OverTimeLimit=0
SlurmctldTimeout=30
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) RealMemory=$memory State=UNKNOWN
PartitionName=main Nodes=$host Default=YES MaxTime=INFINITE State=UP
EOF
}

start() {
    if [ -e "$CONF" ] && ! grep -qF "$MARK" "$CONF"; then
        echo "$CONF is there already and not from these tests" >&2
        exit 1
    fi
    mkdir -p /etc/slurm "$STATE/state" "$STATE/spool"
    configuration >"$CONF"
    if ! munge --no-input >/dev/null 2>&1; then
        install -d -o munge -g munge -m 0755 /run/munge
        install -d -o munge -g munge -m 0700 /var/log/munge /var/lib/munge
        [ -e /etc/munge/munge.key ] || /usr/sbin/mungekey --create
        chown munge:munge /etc/munge/munge.key
        chmod 0400 /etc/munge/munge.key
        runuser -u munge -- /usr/sbin/munged
        touch "$STATE/munged"
    fi
    slurmctld
    slurmd
    for _ in $(seq 60); do
        if sinfo --noheader --states=idle --format=%n 2>/dev/null | grep -q .; then
            return
        fi
        sleep 0.5
    done
    echo "Slurm did not come up:" >&2
    tail -n 20 "$STATE"/*.log >&2
    exit 1
}

end() {
    # The process of a PID file, if it is still that program.
    local pid
    pid=$(cat "$1" 2>/dev/null) || return 0
    if [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ]; then
        kill "$pid"
        for _ in $(seq 40); do [ -e "/proc/$pid" ] || break; sleep 0.25; done
    fi
}

stop() {
    if [ -e "$CONF" ] && ! grep -qF "$MARK" "$CONF"; then
        exit 0
    fi
    scancel --user root --partition main 2>/dev/null || true
    end "$STATE/slurmd.pid" slurmd
    end "$STATE/slurmctld.pid" slurmctld
    if [ -e "$STATE/munged" ]; then
        end /run/munge/munged.pid munged
    fi
    rm -rf "$STATE" "$CONF"
}

case "${1:-}" in
    start) start ;;
    stop) stop ;;
    *) echo "usage: slurm.sh start | stop" >&2; exit 2 ;;
esac
