"""with-seccomp.py CAPABILITIES COMMAND...: runs COMMAND under a seccomp filter as strict as the runtimes' default profiles together.

The base is the profile of CRI-O and Podman as Debian ships it (golang-github-containers-common). Docker and containerd allow less of
namespaces and mounts; what they keep for CAP_SYS_ADMIN, or refuse everybody, is refused here as well.
"""
import errno
import json
import os
import platform
import sys

import seccomp

PROFILE = "/usr/share/containers/seccomp.json"
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
# moby profiles/seccomp/default.json, v25: with CAP_SYS_ADMIN only; io_uring with none.
REFUSED = set(
    "bpf fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree perf_event_open"
    " pivot_root quotactl setdomainname sethostname setns syslog umount umount2 unshare"
    " add_key keyctl request_key io_uring_enter io_uring_register io_uring_setup clone clone3".split()
)
# CLONE_NEW* of clone(2): user, pid, net, mount, uts, ipc, cgroup.
NAMESPACE_FLAGS = 0x7E020000
OPERATORS = {"SCMP_CMP_EQ": seccomp.EQ, "SCMP_CMP_NE": seccomp.NE}


def applies(rule, capabilities):
    wanted, unwanted = rule.get("includes") or {}, rule.get("excludes") or {}
    return (
        rule["action"] == "SCMP_ACT_ALLOW"
        and set(wanted.get("caps") or []) <= capabilities
        and not set(unwanted.get("caps") or []) & capabilities
        and ARCHITECTURE in (wanted.get("arches") or [ARCHITECTURE])
    )


def load(capabilities):
    # Capabilities alone decide what EPERM decides; libc asks for calls that it knows from newer kernels.
    filter_ = seccomp.SyscallFilter(seccomp.ERRNO(errno.EPERM))
    with open(PROFILE, encoding="utf8") as file:
        rules = json.load(file)["syscalls"]
    for rule in rules:
        if not applies(rule, capabilities):
            continue
        arguments = [seccomp.Arg(arg["index"], OPERATORS[arg["op"]], arg["value"]) for arg in rule.get("args") or []]
        for name in set(rule["names"]) - REFUSED:
            try:
                filter_.add_rule(seccomp.ALLOW, name, *arguments)
            except RuntimeError:
                # A call of another architecture.
                pass
    filter_.add_rule(seccomp.ALLOW, "clone", seccomp.Arg(0, seccomp.MASKED_EQ, NAMESPACE_FLAGS, 0))
    # So that libc falls back to clone().
    filter_.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    filter_.load()


if __name__ == "__main__":
    load({f"CAP_{name.upper()}" for name in sys.argv[1].split(",") if name != "none"})
    os.execvp(sys.argv[2], sys.argv[2:])
