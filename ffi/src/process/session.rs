//! Session: the POSIX session that a process belongs to.

/// The session of a process, or of the calling one for 0: the number of its leader, which is 0 where the leader is in
/// an outer PID namespace, as in many containers. `None` where there is no such process.
pub fn session_of(pid: i32) -> Option<i32> {
    // SAFETY: it takes a number and gives one.
    let session = unsafe { libc::getsid(pid) };
    (session >= 0).then_some(session)
}

#[cfg(test)]
mod tests {
    use super::session_of;

    #[test]
    fn a_process_has_the_session_of_its_parent() {
        let parent = std::os::unix::process::parent_id();
        assert!(session_of(0).is_some());
        assert_eq!(session_of(parent as i32), session_of(0));
        assert_eq!(session_of(i32::MAX), None);
    }
}
