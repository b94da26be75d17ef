//! A TCP proxy on loopback between a client and a server, which fails on a test's command.
//!
//! ```text
//! client ─▶ 127.0.0.1:port ─▶ stalled? ─▶ server      redirect: another server, for connections made from then on
//!        ◀──────────────────  stalled? ◀─             reset: all connections end with RST
//! ```

use std::io::{Error, ErrorKind};
use std::net::Ipv4Addr;
use std::pin::pin;

use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::loopback::Listener;

const BUFFER: usize = 16 * 1024;

/// A running proxy; when it is dropped, all its connections are closed.
#[derive(Debug)]
pub struct Proxy {
    listener: Listener,
    control: watch::Sender<Control>,
}

/// The direction of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From clients to the server.
    ToServer,
    /// From the server to clients.
    ToClient,
}

/// The state that all connections follow.
#[derive(Debug, Clone, Copy)]
struct Control {
    /// The server's port.
    upstream: u16,
    to_server: bool,
    to_client: bool,
    /// How often connections have been reset.
    resets: u64,
}

impl Proxy {
    /// Passes everything between clients and that port of 127.0.0.1.
    #[track_caller]
    pub fn start(upstream: u16) -> Proxy {
        let control = watch::Sender::new(Control { upstream, to_server: true, to_client: true, resets: 0 });
        let obeyed = control.clone();
        let listener = Listener::start(0, move |client| serve(client, obeyed.subscribe()));
        Proxy { listener, control }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.listener.port()
    }

    /// How many connections it has accepted so far.
    pub fn accepted(&self) -> usize {
        self.listener.accepted()
    }

    /// From now on nothing passes, not even the end of a connection; connections stay open, and new ones are accepted.
    pub fn stall(&self) {
        self.control.send_modify(|control| (control.to_server, control.to_client) = (false, false));
    }

    /// As [`Proxy::stall`], in one direction; the other one is left as it is.
    pub fn stall_only(&self, direction: Direction) {
        self.control.send_modify(|control| match direction {
            Direction::ToServer => control.to_server = false,
            Direction::ToClient => control.to_client = false,
        });
    }

    /// Everything passes again, beginning with the bytes that were held back.
    pub fn resume(&self) {
        self.control.send_modify(|control| (control.to_server, control.to_client) = (true, true));
    }

    /// Ends all connections at once, on both sides, with RST.
    pub fn reset(&self) {
        self.control.send_modify(|control| control.resets += 1);
    }

    /// Connections made from now on go to that port of 127.0.0.1. Those that are open stay: see [`Proxy::reset`].
    pub fn redirect(&self, upstream: u16) {
        self.control.send_modify(|control| control.upstream = upstream);
    }
}

/// One connection, from its beginning to its end. If one side ends it, it ends for both.
async fn serve(client: TcpStream, control: watch::Receiver<Control>) {
    let mut reset = pin!(reset(control.clone()));
    let connected = tokio::select! {
        connected = connect(control.clone()) => connected,
        _ = &mut reset => Err(gone()),
    };
    let Ok(server) = connected else {
        // The client sees the same as with a closed port, a moment later.
        let _ = client.set_zero_linger();
        return;
    };
    let ended = tokio::select! {
        ended = pump(&client, &server, control.clone(), |control| control.to_server) => ended,
        ended = pump(&server, &client, control, |control| control.to_client) => ended,
        _ = reset => Err(gone()),
    };
    if ended.is_err() {
        // Sends RST instead of FIN; a closed socket needs neither.
        let _ = (client.set_zero_linger(), server.set_zero_linger());
    }
}

/// Waits for the next reset.
async fn reset(mut control: watch::Receiver<Control>) {
    let begun = control.borrow_and_update().resets;
    let _ = control.wait_for(|control| control.resets > begun).await;
}

/// Waits until something may pass to the server, and connects to it.
async fn connect(mut control: watch::Receiver<Control>) -> Result<TcpStream, Error> {
    let upstream = control.wait_for(|control| control.to_server).await.map_err(|_| gone())?.upstream;
    TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await
}

/// Passes bytes in one direction to their end. Bytes that were read while nothing may pass are held back.
async fn pump(
    from: &TcpStream,
    to: &TcpStream,
    mut control: watch::Receiver<Control>,
    may_pass: impl Fn(&Control) -> bool,
) -> Result<(), Error> {
    let mut buffer = [0; BUFFER];
    loop {
        from.readable().await?;
        let read = match from.try_read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
            read => read,
        };
        // An end or a failure waits as well: a host that is cut off sees neither.
        control.wait_for(&may_pass).await.map_err(|_| gone())?;
        let read = read?;
        if read == 0 {
            return Ok(());
        }
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            to.writable().await?;
            match to.try_write(rest) {
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

fn gone() -> Error {
    ErrorKind::ConnectionReset.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    const SOON: Duration = Duration::from_secs(60);
    const MOMENT: Duration = Duration::from_millis(100);

    /// A client of the proxy, and the server's end of its connection.
    struct Pair {
        client: TcpStream,
        server: TcpStream,
    }

    impl Pair {
        fn open(proxy: &Proxy, server: &TcpListener) -> Pair {
            let client = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
            let server = server.accept().unwrap().0;
            [&client, &server].iter().for_each(|it| it.set_read_timeout(Some(SOON)).unwrap());
            Pair { client, server }
        }
    }

    fn server() -> (TcpListener, u16) {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        (server, port)
    }

    #[track_caller]
    fn arrives(mut from: &TcpStream, to: &mut TcpStream, text: &str) {
        from.write_all(text.as_bytes()).unwrap();
        let mut read = vec![0; text.len()];
        to.read_exact(&mut read).unwrap();
        assert_eq!(read, text.as_bytes());
    }

    #[track_caller]
    fn nothing_arrives(from: &mut TcpStream) {
        from.set_read_timeout(Some(MOMENT)).unwrap();
        assert_eq!(from.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        from.set_read_timeout(Some(SOON)).unwrap();
    }

    #[test]
    fn what_is_stalled_is_held_back_and_passes_in_the_end() {
        let (listener, port) = server();
        let proxy = Proxy::start(port);
        let mut pair = Pair::open(&proxy, &listener);
        arrives(&pair.client, &mut pair.server, "hello");
        arrives(&pair.server, &mut pair.client, "to you");

        proxy.stall_only(Direction::ToClient);
        arrives(&pair.client, &mut pair.server, "a question");
        pair.server.write_all(b"an answer").unwrap();
        nothing_arrives(&mut pair.client);
        proxy.stall();
        let mut second = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        second.write_all(b"second").unwrap();
        // Its end is held back too.
        drop(second);
        pair.client.write_all(b"another").unwrap();
        nothing_arrives(&mut pair.server);

        proxy.resume();
        let mut received = [0; 9];
        pair.client.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"an answer");
        let mut received = [0; 7];
        pair.server.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"another");
        let mut text = String::new();
        listener.accept().unwrap().0.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), proxy.accepted()), ("second", 2));
    }

    #[test]
    fn a_reset_ends_both_sides_and_a_redirect_leads_elsewhere() {
        let (first, port) = server();
        let (second, other_port) = server();
        let proxy = Proxy::start(port);
        let mut pair = Pair::open(&proxy, &first);
        arrives(&pair.client, &mut pair.server, "hello");
        proxy.redirect(other_port);
        arrives(&pair.client, &mut pair.server, "still here");
        // Also while nothing passes.
        proxy.stall();
        proxy.reset();
        assert_eq!(pair.client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert_eq!(pair.server.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        proxy.resume();
        let mut pair = Pair::open(&proxy, &second);
        arrives(&pair.client, &mut pair.server, "hello");
        drop(pair.server);
        assert_eq!(pair.client.read(&mut [0]).unwrap(), 0);
        drop(second);
        let mut refused = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        refused.set_read_timeout(Some(SOON)).unwrap();
        assert_eq!(refused.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
}
