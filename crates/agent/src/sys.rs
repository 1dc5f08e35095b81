//! The only `unsafe` code of Portcullis: system calls that no safe crate offers.
//!
//! Each wrapper takes plain values or borrows, so that nothing unsafe leaks to its callers.
#![allow(unsafe_code)]

use std::io;

/// A child that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reaped {
    /// Its process id.
    pub pid: i32,
    /// How it ended.
    pub status: Status,
    /// Peak resident memory, in KiB, of it and the children it waited for.
    pub peak_kib: u64,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It exited.
    Exit(i32),
    /// A signal ended it.
    Signal(i32),
}

/// Whether to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Until a child ends.
    Block,
    /// Only look.
    Look,
}

/// Reaps any child that ended. `Ok(None)`: there are children, none has ended. `ECHILD`: there are none.
///
/// Why not a safe crate: only `wait4` gives the resource usage of the one child that ended.
pub fn reap(wait: Wait) -> io::Result<Option<Reaped>> {
    let mut status = 0;
    let options = match wait {
        Wait::Block => 0,
        Wait::Look => libc::WNOHANG,
    };
    // SAFETY: all-zero bytes are a valid `rusage`, a struct of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live, writable values of the types that the call fills.
    let pid = unsafe { libc::wait4(-1, &raw mut status, options | libc::__WALL, &raw mut usage) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        _ => {
            let status = if libc::WIFSIGNALED(status) {
                Status::Signal(libc::WTERMSIG(status))
            } else {
                Status::Exit(libc::WEXITSTATUS(status))
            };
            Ok(Some(Reaped { pid, status, peak_kib: u64::try_from(usage.ru_maxrss).unwrap_or(0) }))
        }
    }
}

/// Sends SIGKILL to every process that the caller may signal, but not to itself. For process 1 of a PID
/// namespace: to everything else in it.
///
/// Why not a safe crate: they take care that a process id is positive.
pub fn kill_all_others() {
    // Anywhere but in a PID namespace of its own, this would take the machine down.
    if std::process::id() != 1 {
        return;
    }
    // SAFETY: no memory is involved. ESRCH (nobody there) is fine.
    unsafe { libc::kill(-1, libc::SIGKILL) };
}

/// Gives this process a mount namespace of its own.
///
/// Why not a safe crate: unsharing file descriptors could break I/O safety, so theirs is unsafe as well.
pub fn unshare_mounts() -> io::Result<()> {
    // SAFETY: this flag touches neither memory nor file descriptors, and there is one thread.
    if unsafe { libc::unshare(libc::CLONE_NEWNS) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Marks every file descriptor from 3 on as closed at `exec`: what the runner inherited must not go inside.
///
/// Why not a safe crate: they consider descriptors that they do not own as none of their business.
pub fn close_inherited() -> io::Result<()> {
    // SAFETY: marking is not closing: no descriptor in use becomes invalid in this process.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
