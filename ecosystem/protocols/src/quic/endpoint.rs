//! An endpoint: one socket, its connections, and tasks that receive, send and keep time.

use super::{
    Connection, Identity,
    connection::State,
    cores::{Names, PassedOn},
    identity::client_config,
    invalid,
    signal::Signal,
    socket::{self, Place},
};
use anyio::{
    Error, Result, move_on_at,
    net::{Datagram, Ecn, SendOptions, UdpSocket},
    task_group,
};
use bytes::BytesMut;
use quinn_proto::{
    ClientConfig, ConnectionHandle, DatagramEvent, EcnCodepoint, EndpointConfig, Event, Transmit,
};
use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::Instant,
};

/// How many datagrams a connection hands over at a time, to be sent together.
const TOGETHER: usize = 10;

/// One side of many connections.
pub struct Endpoint {
    socket: RefCell<Rc<UdpSocket>>,
    /// Told when there is another socket.
    moved: Signal,
    protocol: RefCell<quinn_proto::Endpoint>,
    connections: RefCell<HashMap<ConnectionHandle, Rc<State>>>,
    client: Option<ClientConfig>,
    /// What is to be sent, in order.
    outgoing: RefCell<VecDeque<(Transmit, Vec<u8>)>>,
    /// Told when there is something to send.
    filled: Signal,
    /// Told when connections have changed, and their timers with them.
    changed: Signal,
    accepted: RefCell<VecDeque<Rc<State>>>,
    arrived: Signal,
    /// If the server has several.
    place: Option<Place>,
}

impl Endpoint {
    /// An endpoint that others connect to.
    pub async fn server(address: SocketAddr, identity: &Identity) -> Result<Self> {
        let server = Some(Arc::new(identity.server_config()?));
        Ok(Self::new(socket::own(address).await?, EndpointConfig::default(), server, None, None))
    }

    /// An endpoint that connects to a server with this certificate.
    pub async fn client(certificate: &[u8]) -> Result<Self> {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let config = EndpointConfig::default();
        Ok(Self::new(socket::own(address).await?, config, None, Some(client_config(certificate)?), None))
    }

    /// That of one core of a server.
    pub(super) fn on_core(socket: UdpSocket, server: Arc<quinn_proto::ServerConfig>, place: Place) -> Self {
        let mut config = EndpointConfig::default();
        let core = place.index;
        config.cid_generator(move || Box::new(Names::new(core)));
        Self::new(socket, config, Some(server), None, Some(place))
    }

    fn new(
        socket: UdpSocket,
        config: EndpointConfig,
        server: Option<Arc<quinn_proto::ServerConfig>>,
        client: Option<ClientConfig>,
        place: Option<Place>,
    ) -> Self {
        Self {
            socket: RefCell::new(Rc::new(socket)),
            moved: Signal::default(),
            protocol: RefCell::new(quinn_proto::Endpoint::new(Arc::new(config), server, true, None)),
            connections: RefCell::default(),
            client,
            outgoing: RefCell::default(),
            filled: Signal::default(),
            changed: Signal::default(),
            accepted: RefCell::default(),
            arrived: Signal::default(),
            place,
        }
    }

    /// The address of this side.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        self.socket.borrow().local_addr()
    }

    /// Runs a body, and the endpoint beside it as long as that takes.
    pub async fn run<T>(&self, body: impl AsyncFnOnce(&Self) -> Result<T>) -> Result<T> {
        let result = task_group(async |tg| -> Result<T> {
            tg.start_soon(self.receive());
            tg.start_soon(self.send());
            tg.start_soon(self.keep_time());
            if let Some(place) = &self.place {
                tg.start_soon(self.receive_from_cores(place));
            }
            let result = body(self).await?;
            tg.cancel();
            Ok(result)
        })
        .await?;
        result.ok_or_else(|| invalid("the endpoint was cancelled"))
    }

    async fn receive(&self) -> Result<()> {
        loop {
            let socket = self.socket.borrow().clone();
            // Whichever comes first; a datagram that has come by then is the next one's.
            let received = RefCell::new(None);
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    self.moved.wait().await?;
                    tg.cancel();
                    Ok(())
                });
                received.replace(Some(socket.receive().await?));
                tg.cancel();
                Ok(())
            })
            .await?;
            if let Some(datagram) = received.into_inner() {
                self.take(datagram);
            }
        }
    }

    /// Takes what has come to other cores.
    async fn receive_from_cores(&self, place: &Place) -> Result<()> {
        while let Some(PassedOn { data, from, to, ecn }) = place.end.receive().await? {
            self.handle(&data, from, to, ecn);
        }
        Ok(())
    }

    /// Gives a datagram to the protocol, or to the core whose it is.
    fn take(&self, datagram: Datagram) {
        if let Some(Place { cores, index, .. }) = &self.place
            && let Some(core) = cores.core_of(&datagram.data)
            && core != *index
        {
            return cores.pass_on(core, &datagram);
        }
        self.handle(&datagram.data, datagram.from, datagram.to, datagram.ecn);
    }

    /// Gives a datagram to the protocol.
    fn handle(&self, data: &[u8], from: SocketAddr, to: Option<IpAddr>, ecn: Option<Ecn>) {
        let now = Instant::now();
        let ecn = ecn.and_then(|ecn| EcnCodepoint::from_bits(ecn.bits()));
        let mut answer = Vec::new();
        let event = self.protocol.borrow_mut().handle(now, from, to, ecn, BytesMut::from(data), &mut answer);
        match event {
            Some(DatagramEvent::ConnectionEvent(handle, event)) => {
                let state = self.connections.borrow().get(&handle).cloned();
                if let Some(state) = state {
                    state.protocol.borrow_mut().handle_event(event);
                    self.advance(&state);
                }
            }
            Some(DatagramEvent::NewConnection(incoming)) => {
                let accepted = self.protocol.borrow_mut().accept(incoming, now, &mut answer, None);
                match accepted {
                    Ok((handle, connection)) => {
                        let state = self.insert(handle, connection);
                        self.accepted.borrow_mut().push_back(state.clone());
                        self.arrived.notify();
                        self.advance(&state);
                    }
                    Err(refused) => {
                        if let Some(transmit) = refused.response {
                            self.queue(transmit, answer);
                        }
                    }
                }
            }
            Some(DatagramEvent::Response(transmit)) => self.queue(transmit, answer),
            None => {}
        }
    }

    fn insert(&self, handle: ConnectionHandle, connection: quinn_proto::Connection) -> Rc<State> {
        let state = Rc::new(State::new(handle, connection));
        self.connections.borrow_mut().insert(handle, state.clone());
        state
    }

    fn queue(&self, transmit: Transmit, mut data: Vec<u8>) {
        data.truncate(transmit.size);
        self.outgoing.borrow_mut().push_back((transmit, data));
        self.filled.notify();
    }

    /// Does whatever a connection wants done now.
    pub(super) fn advance(&self, state: &Rc<State>) {
        let now = Instant::now();
        loop {
            let event = state.protocol.borrow_mut().poll_endpoint_events();
            let Some(event) = event else { break };
            let answer = self.protocol.borrow_mut().handle_event(state.handle, event);
            if let Some(answer) = answer {
                state.protocol.borrow_mut().handle_event(answer);
            }
        }
        loop {
            let mut data = Vec::new();
            let transmit = state.protocol.borrow_mut().poll_transmit(now, TOGETHER, &mut data);
            let Some(transmit) = transmit else { break };
            self.queue(transmit, data);
        }
        loop {
            let event = state.protocol.borrow_mut().poll();
            match event {
                Some(Event::ConnectionLost { reason }) => state.note_lost(reason.to_string()),
                Some(_) => {}
                None => break,
            }
        }
        if state.protocol.borrow().is_drained() {
            self.connections.borrow_mut().remove(&state.handle);
        }
        state.news.notify();
        self.changed.notify();
    }

    async fn send(&self) -> Result<()> {
        loop {
            let next = self.outgoing.borrow_mut().pop_front();
            let Some((transmit, data)) = next else {
                self.filled.wait().await?;
                continue;
            };
            let mut options = SendOptions::new();
            if let Some(ecn) = transmit.ecn {
                options = options.ecn(Ecn::from_bits(ecn as u8));
            }
            if let Some(address) = transmit.src_ip {
                options = options.from(address);
            }
            if let Some(size) = transmit.segment_size {
                options = options.segment_size(size);
            }
            let socket = self.socket.borrow().clone();
            // What was not sent is lost to the protocol, as any other datagram may be.
            if let Err(error @ Error::Cancelled(_)) =
                socket.send_with(data, transmit.destination, options).await
            {
                return Err(error);
            }
        }
    }

    async fn keep_time(&self) -> Result<()> {
        loop {
            let states: Vec<_> = self.connections.borrow().values().cloned().collect();
            let next = states.iter().filter_map(|state| state.protocol.borrow_mut().poll_timeout()).min();
            move_on_at(next, self.changed.wait()).await?;
            let now = Instant::now();
            for state in states {
                let due = state.protocol.borrow_mut().poll_timeout().is_some_and(|at| at <= now);
                if due {
                    state.protocol.borrow_mut().handle_timeout(now);
                    self.advance(&state);
                }
            }
        }
    }

    /// Connects.
    pub async fn connect(&self, address: SocketAddr, name: &str) -> Result<Connection<'_>> {
        let config = self.client.clone().ok_or_else(|| invalid("a server connects to nobody"))?;
        let connected = self.protocol.borrow_mut().connect(Instant::now(), config, address, name);
        let (handle, connection) = connected.map_err(invalid)?;
        let state = self.insert(handle, connection);
        self.advance(&state);
        let connection = Connection::new(self, state);
        connection.established().await?;
        Ok(connection)
    }

    /// The next connection that was made from the other side.
    pub async fn accept(&self) -> Result<Connection<'_>> {
        loop {
            let next = self.accepted.borrow_mut().pop_front();
            match next {
                Some(state) => return Ok(Connection::new(self, state)),
                None => self.arrived.wait().await?,
            }
        }
    }

    /// Answers every stream of every connection with what came.
    pub async fn echo(&self) -> Result<()> {
        self.echo_counting(&Cell::new(0)).await
    }

    /// The same, counting connections.
    pub async fn echo_counting(&self, accepted: &Cell<u32>) -> Result<()> {
        task_group(async |tg| -> Result<()> {
            loop {
                let connection = self.accept().await?;
                accepted.set(accepted.get() + 1);
                tg.start_soon(async move {
                    match connection.echo().await {
                        Err(error @ Error::Cancelled(_)) => Err(error),
                        // The other side is gone, which is how connections end.
                        Ok(()) | Err(_) => Ok(()),
                    }
                });
            }
        })
        .await
        .map(drop)
        .map_err(Error::from)
    }

    /// Goes on from another local address, without a word to the other side but what QUIC says.
    pub async fn migrate(&self) -> Result<()> {
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let socket = Rc::new(socket::own(address).await?);
        self.socket.replace(socket);
        self.moved.notify();
        let states: Vec<_> = self.connections.borrow().values().cloned().collect();
        for state in states {
            state.protocol.borrow_mut().local_address_changed();
            self.advance(&state);
        }
        Ok(())
    }

    /// Waits until everything is sent, and connections that were closed are forgotten.
    pub async fn settle(&self) -> Result<()> {
        while !(self.connections.borrow().is_empty() && self.outgoing.borrow().is_empty()) {
            self.changed.wait().await?;
        }
        Ok(())
    }
}
