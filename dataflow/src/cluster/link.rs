//! A connection to another process, whatever carries its bytes.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use timely::communication::allocator::zero_copy::stream::Stream;

/// What carries the bytes of a link. Reads and writes block. One handle reads while another one writes.
pub trait LinkStream: Read + Write + Send + Sync {
    /// Another handle of the same connection.
    ///
    /// # Errors
    /// When the system denies it.
    fn try_clone(&self) -> io::Result<Box<dyn LinkStream>>;

    /// Ends the connection in these directions.
    ///
    /// # Errors
    /// When it has ended before.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

impl LinkStream for TcpStream {
    fn try_clone(&self) -> io::Result<Box<dyn LinkStream>> {
        Ok(Box::new(TcpStream::try_clone(self)?))
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        TcpStream::shutdown(self, how)
    }
}

/// A connection to another process.
pub struct Link(Box<dyn LinkStream>);

impl Link {
    /// A link over this stream.
    pub fn over(stream: impl LinkStream + 'static) -> Link {
        Link(Box::new(stream))
    }
}

impl Read for Link {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Link {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Stream for Link {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Link(self.0.try_clone()?))
    }

    /// Nothing to do: a link always blocks, and timely asks for nothing else.
    fn set_nonblocking(&self, _: bool) -> io::Result<()> {
        Ok(())
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.0.shutdown(how)
    }
}
