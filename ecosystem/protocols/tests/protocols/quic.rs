//! QUIC by quinn-proto, as the example does it: handshake, streams, migration, loss.

use anyio::{
    Builder, Core, Error, Result, cross::Event, fail_after, gather, move_on_after, net::UdpSocket,
    task_group, testing::test_backends,
};
use anyio_protocols::quic::{Cores, Endpoint, Identity};
use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    time::Duration,
};

const LIMIT: Duration = Duration::from_secs(120);

fn here() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// Random bytes, the same for a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| (self.next() >> 32) as u8).collect()
    }
}

/// Runs an echo server, and a body with a client and the server's address.
async fn with_echo(body: impl AsyncFnOnce(&Endpoint, SocketAddr) -> Result<()>) -> Result<()> {
    let identity = Identity::new()?;
    let server = Endpoint::server(here(), &identity).await?;
    let client = Endpoint::client(&identity.certificate).await?;
    let address = server.local_addr()?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(server.run(async |server| server.echo().await));
        fail_after(LIMIT, client.run(async |client| body(client, address).await)).await?;
        tg.cancel();
        Ok(())
    })
    .await
    .map(drop)
    .map_err(Error::from)
}

#[anyio::test]
async fn a_question_is_answered_over_a_new_connection() -> Result<()> {
    with_echo(async |client, address| {
        let connection = client.connect(address, "localhost").await?;
        assert_eq!(connection.ask(b"hello").await?, b"hello");
        assert_eq!(connection.ask(b"").await?, b"");
        connection.close();
        client.settle().await
    })
    .await
}

#[anyio::test]
async fn a_server_with_another_certificate_is_not_trusted() -> Result<()> {
    let server = Endpoint::server(here(), &Identity::new()?).await?;
    let client = Endpoint::client(&Identity::new()?.certificate).await?;
    let address = server.local_addr()?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(server.run(async |server| server.echo().await));
        let refused = client.run(async |client| Ok(client.connect(address, "localhost").await.err()));
        let error = fail_after(LIMIT, refused).await?.expect("it was not to be trusted");
        assert!(matches!(error, Error::BrokenResource(_)), "{error:?}");
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn many_streams_of_several_connections_are_echoed_side_by_side() -> Result<()> {
    with_echo(async |client, address| {
        let connections = [
            client.connect(address, "localhost").await?,
            client.connect(address, "localhost").await?,
            client.connect(address, "localhost").await?,
        ];
        let mut random = Random(77);
        let questions: Vec<_> = (0..30).map(|number| random.bytes(number * 2_000)).collect();
        gather(questions.iter().enumerate().map(async |(number, question)| -> Result<()> {
            let answer = connections[number % 3].ask(question).await?;
            assert!(answer == *question, "question {number}");
            Ok(())
        }))
        .await?;
        Ok(())
    })
    .await
}

#[anyio::test]
async fn a_connection_goes_on_from_another_address() -> Result<()> {
    with_echo(async |client, address| {
        let connection = client.connect(address, "localhost").await?;
        let mut addresses = Vec::new();
        for round in 0..3_u8 {
            let question = vec![round; 100_000];
            assert!(connection.ask(&question).await? == question, "round {round}");
            addresses.push(client.local_addr()?);
            client.migrate().await?;
        }
        addresses.push(client.local_addr()?);
        addresses.sort();
        addresses.dedup();
        assert_eq!(addresses.len(), 4, "each time from another address");
        assert_eq!(connection.ask(b"still there?").await?, b"still there?");
        Ok(())
    })
    .await
}

/// Passes datagrams on between a client and a server, and drops and reorders some.
struct Relay {
    front: UdpSocket,
    back: UdpSocket,
    server: SocketAddr,
    client: Cell<Option<SocketAddr>>,
    random: RefCell<Random>,
    dropped: Cell<u32>,
}

impl Relay {
    async fn new(server: SocketAddr, seed: u64) -> Result<Self> {
        Ok(Self {
            front: UdpSocket::bind(here()).await?,
            back: UdpSocket::bind(here()).await?,
            server,
            client: Cell::new(None),
            random: RefCell::new(Random(seed | 1)),
            dropped: Cell::new(0),
        })
    }

    async fn run(&self) -> Result<()> {
        task_group(async |tg| -> Result<()> {
            tg.start_soon(self.to_server());
            self.to_client().await
        })
        .await
        .map(drop)
        .map_err(Error::from)
    }

    async fn to_server(&self) -> Result<()> {
        let mut late = None;
        loop {
            let datagram = self.front.receive().await?;
            self.client.set(Some(datagram.from));
            self.pass(&self.back, &datagram.data, self.server, &mut late).await?;
        }
    }

    async fn to_client(&self) -> Result<()> {
        let mut late = None;
        loop {
            let datagram = self.back.receive().await?;
            if let Some(client) = self.client.get() {
                self.pass(&self.front, &datagram.data, client, &mut late).await?;
            }
        }
    }

    /// One in ten is dropped, and one in ten waits to be overtaken.
    async fn pass(
        &self,
        socket: &UdpSocket,
        data: &[u8],
        to: SocketAddr,
        late: &mut Option<Vec<u8>>,
    ) -> Result<()> {
        match (self.random.borrow_mut().next() >> 16) % 10 {
            0 => {
                self.dropped.set(self.dropped.get() + 1);
                return Ok(());
            }
            1 if late.is_none() => {
                *late = Some(data.to_vec());
                return Ok(());
            }
            _ => {}
        }
        socket.send_to(data.to_vec(), to).await?;
        match late.take() {
            Some(late) => socket.send_to(late, to).await,
            None => Ok(()),
        }
    }
}

#[anyio::test]
async fn what_is_lost_or_overtaken_on_the_way_comes_whole_all_the_same() -> Result<()> {
    for seed in [1, 20_261_128] {
        with_echo(async |client, address| {
            let relay = Relay::new(address, seed).await?;
            task_group(async |tg| -> Result<()> {
                tg.start_soon(relay.run());
                let connection = client.connect(relay.front.local_addr()?, "localhost").await?;
                let question = Random(seed).bytes(300_000);
                assert!(connection.ask(&question).await? == question, "seed {seed}");
                assert!(relay.dropped.get() > 10, "seed {seed}: {} were dropped", relay.dropped.get());
                assert!(connection.lost_packets() > 0, "seed {seed}");
                tg.cancel();
                Ok(())
            })
            .await?;
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Two cores serve, and a third asks.
#[test]
fn a_connection_stays_on_its_core_wherever_its_datagrams_arrive() {
    for backend in test_backends() {
        let identity = Identity::new().unwrap();
        let cores = Cores::new(here(), &identity, 2).unwrap();
        let done = Event::new();
        let served = Builder::new().backend(backend).run_on_cores(3, async |core: &Core| -> Result<u32> {
            if core.index() == 2 {
                let asked = fail_after(LIMIT, ask_from_everywhere(&cores, &identity)).await;
                done.set();
                return asked.map(|()| 0);
            }
            let endpoint = cores.endpoint(core).await?;
            let accepted = Cell::new(0);
            endpoint
                .run(async |endpoint| {
                    task_group(async |tg| -> Result<()> {
                        tg.start_soon(async {
                            done.wait().await?;
                            tg.cancel();
                            Ok(())
                        });
                        endpoint.echo_counting(&accepted).await
                    })
                    .await
                    .map(drop)
                    .map_err(Error::from)
                })
                .await?;
            Ok(accepted.get())
        });
        let served = served.unwrap().expect("nothing was cancelled");
        assert!(served[0] > 0 && served[1] > 0, "{served:?} on {backend}");
        assert!(cores.passed_on() > 0, "on {backend}");
    }
}

/// Asks over connections that move on, until both cores have some and one has moved to the other's socket.
async fn ask_from_everywhere(cores: &Cores, identity: &Identity) -> Result<()> {
    let address = cores.address().await?;
    let mut random = Random(99);
    for round in 0.. {
        let client = Endpoint::client(&identity.certificate).await?;
        client
            .run(async |client| {
                let connection = client.connect(address, "localhost").await?;
                for _ in 0..4 {
                    let question = random.bytes(20_000);
                    assert!(connection.ask(&question).await? == question);
                    client.migrate().await?;
                }
                assert_eq!(connection.ask(b"still there?").await?, b"still there?");
                connection.close();
                // The goodbye may be lost.
                move_on_after(Duration::from_secs(5), client.settle()).await.map(drop)
            })
            .await?;
        if round >= 20 && cores.passed_on() > 0 {
            break;
        }
    }
    Ok(())
}
