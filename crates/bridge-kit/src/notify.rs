//! Tells systemd when the program is ready and when it stops (`sd_notify(3)`): texts in datagrams to the socket that the
//! environment names. Without such a socket nothing is done.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;

use crate::health::Health;
use crate::lifecycle::Shutdown;
use crate::supervise::{self, Task};

/// The variable that names the socket.
const SOCKET: &str = "NOTIFY_SOCKET";

/// Tells whoever started the program, for as long as the returned task lives; nothing where nobody wants to know.
pub(crate) fn keep(health: Health, shutdown: Shutdown) -> Option<Task<()>> {
    let address = std::env::var_os(SOCKET)?;
    Some(supervise::spawn("lifecycle.notify", "program", async move {
        tell(address, &health, &shutdown).await;
    }))
}

async fn tell(address: OsString, health: &Health, shutdown: &Shutdown) {
    tokio::select! {
        () = health.ready() => say(&address, "READY=1"),
        () = shutdown.requested() => {}
    }
    shutdown.requested().await;
    say(&address, "STOPPING=1");
}

fn say(address: &OsStr, state: &str) {
    if let Err(error) = send(address, state) {
        tracing::warn!(%error, state, "the service manager could not be told");
    }
}

fn send(address: &OsStr, state: &str) -> io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    // A manager that does not read must not stop the program.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &destination(address)?)?;
    Ok(())
}

/// A path, or after an `@` a name that is in no file system, which only Linux has.
fn destination(address: &OsStr) -> io::Result<SocketAddr> {
    match address.as_bytes() {
        #[cfg(target_os = "linux")]
        [b'@', name @ ..] => {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(name)
        }
        [b'/', ..] => SocketAddr::from_pathname(Path::new(address)),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{SOCKET} names no socket"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::State;
    use crate::program::test_program;

    /// A service manager's end, as a file.
    struct Manager {
        socket: tokio::net::UnixDatagram,
        folder: tempfile::TempDir,
    }

    impl Manager {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let socket = tokio::net::UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
            Self { socket, folder }
        }

        fn address(&self) -> OsString {
            self.folder.path().join("notify").into()
        }

        async fn told(&self) -> String {
            let mut text = [0; 64];
            let told = tokio::time::timeout(Duration::from_secs(20), self.socket.recv(&mut text));
            let length = told.await.expect("told in time").expect("told");
            String::from_utf8_lossy(&text[..length]).into_owned()
        }

        fn is_told_nothing(&self) -> bool {
            self.socket.try_recv(&mut [0; 64]).is_err()
        }
    }

    #[tokio::test]
    async fn ready_is_said_once_every_component_is_and_stopping_at_the_end() {
        let manager = Manager::new();
        let (health, shutdown) = (Health::new(test_program()), Shutdown::new());
        let component = health.component("homeserver");
        let task = supervise::spawn("test.notify", "nobody", {
            let (address, health, shutdown) = (manager.address(), health.clone(), shutdown.clone());
            async move { tell(address, &health, &shutdown).await }
        });
        component.set(State::Connecting, "");
        tokio::task::yield_now().await;
        assert!(manager.is_told_nothing());
        component.set(State::Ready, "");
        assert_eq!(manager.told().await, "READY=1");
        component.set(State::Connecting, "");
        component.set(State::Ready, "");
        shutdown.request();
        assert_eq!(manager.told().await, "STOPPING=1");
        task.join().await.expect("an end");
        assert!(manager.is_told_nothing());
    }

    #[tokio::test]
    async fn a_program_that_stops_before_it_is_ready_says_so() {
        let manager = Manager::new();
        let shutdown = Shutdown::new();
        shutdown.request();
        tell(manager.address(), &Health::new(test_program()), &shutdown).await;
        assert_eq!(manager.told().await, "STOPPING=1");
    }

    #[test]
    fn what_names_no_socket_is_an_error() {
        for wrong in ["", "relative", "vsock:2:1234"] {
            assert!(send(OsStr::new(wrong), "READY=1").is_err(), "{wrong}");
        }
        assert!(send(OsStr::new("/nowhere/notify"), "READY=1").is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_name_in_no_file_system_is_found() {
        use std::os::linux::net::SocketAddrExt as _;
        let name = format!("vdp-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("an address");
        let manager = UnixDatagram::bind_addr(&address).expect("a socket");
        send(OsStr::new(&format!("@{name}")), "READY=1").expect("told");
        let mut text = [0; 16];
        let length = manager.recv(&mut text).expect("told");
        assert_eq!(&text[..length], b"READY=1");
    }
}
