//! A question to a name server and its answer, in the messages of a DNS crate.

use anyio::{
    Result, fail_after,
    net::{ConnectedUdpSocket, UdpSocket},
    task_group,
};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata::A},
};
use std::{net::Ipv4Addr, str::FromStr, time::Duration};

/// The answer to a message, for the one name that is known. None to what is no question.
pub(crate) fn answer_to(message: &[u8], known: &Name, address: Ipv4Addr) -> Option<Vec<u8>> {
    let question = Message::from_vec(message).ok()?;
    let mut answer = Message::new();
    answer.set_id(question.id()).set_message_type(MessageType::Response).set_op_code(OpCode::Query);
    answer.add_queries(question.queries().to_vec());
    for query in question.queries() {
        if query.name() != known {
            answer.set_response_code(ResponseCode::NXDomain);
        } else if query.query_type() == RecordType::A {
            answer.add_answer(Record::from_rdata(known.clone(), 60, RData::A(A(address))));
        }
    }
    Some(answer.to_vec().expect("an answer can be written"))
}

pub(crate) fn known_name() -> Name {
    Name::from_str("known.example.").unwrap()
}

/// Answers questions for the one name it knows.
async fn serve(socket: &UdpSocket, known: &Name, address: Ipv4Addr) -> Result<()> {
    loop {
        let datagram = socket.receive().await?;
        if let Some(answer) = answer_to(&datagram.data, known, address) {
            socket.send_to(answer, datagram.from).await?;
        }
    }
}

/// Asks until there is an answer to this question: datagrams may be lost, and may be others'.
async fn ask(server: &ConnectedUdpSocket, id: u16, name: &Name) -> Result<Message> {
    let mut question = Message::new();
    question.set_id(id).set_message_type(MessageType::Query).set_recursion_desired(true);
    question.add_query(Query::query(name.clone(), RecordType::A));
    let question = question.to_vec().expect("a question can be written");
    loop {
        server.send(question.clone()).await?;
        let answered = anyio::move_on_after(Duration::from_secs(1), async {
            loop {
                match Message::from_vec(&server.receive().await?.data) {
                    Ok(answer) if answer.id() == id => return anyio::Ok(answer),
                    _ => {}
                }
            }
        });
        if let Some(answer) = answered.await? {
            return Ok(answer);
        }
    }
}

#[anyio::test]
async fn names_are_asked_for_and_answered() -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let known = known_name();
    let address = Ipv4Addr::new(192, 0, 2, 7);
    task_group(async |tg| -> Result<()> {
        let client = ConnectedUdpSocket::connect(socket.local_addr()?).await?;
        tg.start_soon(serve(&socket, &known, address));
        client.send("no question at all").await?;
        fail_after(Duration::from_secs(60), async {
            let answer = ask(&client, 7, &known).await?;
            assert_eq!(answer.answers().len(), 1);
            assert_eq!(answer.answers()[0].data(), &RData::A(A(address)));
            let answer = ask(&client, 8, &Name::from_str("unknown.example.").unwrap()).await?;
            assert_eq!((answer.response_code(), answer.answers().len()), (ResponseCode::NXDomain, 0));
            anyio::Ok(())
        })
        .await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
