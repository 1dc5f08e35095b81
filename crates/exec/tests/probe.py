# What a hostile program tries from inside; prints what it got. Run by tests/walls.rs.
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)

def call(name, number, *args):
    ctypes.set_errno(0)
    if libc.syscall(number, *args) != -1:
        print("GOT", name)

# Numbers of x86_64.
call("ptrace", 101, 16, 1, 0, 0)
call("ptrace-traceme", 101, 0, 0, 0, 0)
call("process_vm_readv", 310, 1, 0, 0, 0, 0, 0)
call("pidfd_getfd", 438, 3, 0, 0)
call("unshare-user", 272, 0x10000000)
call("unshare-net", 272, 0x40000000)
call("clone-user", 56, 0x10000000 | 17, 0, 0, 0, 0)
call("clone3", 435, 0, 0)
call("setns", 308, 0, 0)
call("mount", 165, b"none", b"/work", b"tmpfs", 0, 0)
call("umount", 166, b"/usr", 2)
call("pivot_root", 155, b"/", b"/work")
call("chroot", 161, b"/work")
call("open_tree", 428, -100, b"/", 1)
call("fsopen", 430, b"tmpfs", 0)
call("bpf", 321, 0, 0, 0)
call("perf_event_open", 298, 0, 0, 0, 0, 0)
call("io_uring_setup", 425, 1, ctypes.create_string_buffer(256))
call("userfaultfd", 323, 0)
call("keyctl", 250, 0, -3, 1)
call("open_by_handle_at", 304, 0, 0, 0)
call("x32-getpid", 0x40000000 + 39)
for family, kind in ((17, 3), (2, 3), (40, 1), (16, 3), (38, 5)):
    call(f"socket-{family}-{kind}", 41, family, kind, 9 if family == 16 else 0)

def get(name, what):
    try:
        what()
        print("GOT", name)
    except OSError:
        pass

for path in ("/proc/1/environ", "/proc/1/mem", "/proc/1/fd/0", "/proc/1/fd/1", "/proc/1/root/run/portcullis/agent",
             "/run/portcullis/agent", "/run/portcullis/layout/own", "/etc/shadow", "/root", "/dev/kmsg", "/dev/mem",
             "/proc/kcore", "/proc/sysrq-trigger", "/sys/kernel"):
    get("read " + path, lambda: os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1) if
        os.path.exists(path) else open(path, "rb").close())
for path in ("/x", "/usr/x", "/etc/x", "/dev/x", "/run/x", "/proc/1/oom_score_adj", "/proc/sys/kernel/hostname"):
    get("write " + path, lambda: open(path, "wb").write(b"1"))
for signal in (9, 19, 15):
    try:
        os.kill(1, signal)
    except OSError:
        pass
for target in (("169.254.169.254", 80), ("10.0.0.1", 53), ("127.0.0.1", 22)):
    get("connect %s" % target[0], lambda: socket.create_connection(target, 1).close())
get("dns", lambda: socket.gethostbyname("example.com"))

# What tools need does work: threads, children, Unix sockets in TMPDIR, loopback TCP.
import subprocess, tempfile, threading
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
subprocess.run(["true"], check=True)
listener = socket.socket(socket.AF_UNIX); listener.bind(os.path.join(tempfile.mkdtemp(), "s")); listener.listen()
socket.socket(socket.AF_UNIX).connect(listener.getsockname())
tcp = socket.create_server(("127.0.0.1", 0)); socket.create_connection(tcp.getsockname()).close()
print(sorted(int(name) for name in os.listdir("/proc") if name.isdigit())[:1] == [1], os.getuid())
print("caps", [line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "CapBnd"))])
print("modes", [line.split()[1] for line in open("/proc/self/status") if line.startswith(("NoNewPrivs", "Seccomp:"))])
