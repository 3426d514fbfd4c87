//! One connection: requests in, responses out, until either side has enough.

use crate::{
    body,
    cache::Sending,
    input::{Head, Input},
    panics,
    quick::Quick,
    request::{Method, Request},
    resource,
    response::Response,
    sending::Sender,
    server::Server,
    status::Status,
    stream::ClientStream,
};
use anyio::{Error, Result, fail_after, idle, lowlevel::is_finishing, move_on_after};
use std::{cell::Cell, net::IpAddr, time::Duration};

/// How long a client may take to read the last answer and close the connection itself.
const FAREWELL: Duration = Duration::from_secs(2);

pub(crate) struct Connection<'a> {
    server: &'a Server<'a>,
    stream: ClientStream,
    client: IpAddr,
    input: Input,
}

/// How a connection goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Request,
    /// The client has sent all it wanted to, or is silent.
    Close,
    /// The client may still be sending.
    CloseEarly,
}

impl<'a> Connection<'a> {
    pub(crate) fn new(server: &'a Server<'a>, stream: ClientStream) -> Self {
        let client = stream.client();
        Self { server, stream, client, input: Input::default() }
    }

    /// Answers requests until the connection ends.
    ///
    /// # Errors
    /// If the connection breaks or the client takes too long, or a cancellation.
    pub(crate) async fn serve(mut self) -> Result<()> {
        let mut next = self.wait_for_request().await?;
        while next == Next::Request {
            next = self.serve_one().await?;
            if next == Next::Request {
                next = self.wait_for_request().await?;
            }
        }
        if next == Next::CloseEarly {
            self.say_farewell().await?;
        }
        self.stream.close().await
    }

    /// Waits for the first bytes of a request, for which the client has some time, unless the server finishes. What has come
    /// already is answered.
    async fn wait_for_request(&mut self) -> Result<Next> {
        if !self.input.is_empty() {
            return Ok(Next::Request);
        }
        let Self { input, stream, server, .. } = self;
        let timeout = server.options.idle_timeout;
        match idle(move_on_after(timeout, input.receive(stream))).await {
            Ok(Some(true)) => Ok(Next::Request),
            Ok(Some(false) | None) => Ok(Next::Close),
            Err(Error::Finishing) => Ok(Next::CloseEarly),
            Err(error) => Err(error),
        }
    }

    /// Says that there are too many connections of this client.
    pub(crate) async fn turn_away(self) -> Result<()> {
        self.refuse(b"", Status::ServiceUnavailable).await?;
        self.say_farewell().await?;
        self.stream.close().await
    }

    /// Answers the request that is here, if its answer is ready.
    async fn answer_at_once(&mut self) -> Result<bool> {
        let Some(quick) = Quick::parse(self.input.bytes()) else { return Ok(false) };
        // The last answer before the end says so.
        if is_finishing() && quick.length == self.input.bytes().len() {
            return Ok(false);
        }
        let Some(ready) = self.server.cache.find(quick.target, quick.encodings).await? else {
            return Ok(false);
        };
        let line = if self.server.log.is_quiet() { Vec::new() } else { self.input.first_line().to_owned() };
        let length = quick.length;
        self.input.consume(length);
        let timeout = self.server.options.send_timeout;
        let sent = Cell::new(0);
        let (head, result) = match ready.sending() {
            Sending::Whole(bytes, content) => {
                let head = bytes.len() as u64 - content;
                let all = bytes.len() as u64;
                let result = fail_after(timeout, self.stream.send(bytes)).await;
                sent.set(if result.is_ok() { all } else { 0 });
                (head, result)
            }
            Sending::WithFile(head, file, range) => {
                let sender = Sender::new(&self.stream, timeout, &sent);
                (head.len() as u64, sender.send_file(&head, &file, range).await)
            }
        };
        self.server.log.note(self.client, &line, Status::Ok, sent.get().saturating_sub(head));
        result.map(|()| true)
    }

    /// Receives one request and answers it.
    async fn serve_one(&mut self) -> Result<Next> {
        if self.answer_at_once().await? {
            return Ok(Next::Request);
        }
        let timeout = self.server.options.request_timeout;
        let Self { input, stream, .. } = self;
        let received = move_on_after(timeout, receive(input, stream)).await?;
        let Some(Received { line, outcome }) = received else {
            let line = self.input.first_line().to_owned();
            return self.refuse(&line, Status::RequestTimeout).await;
        };
        match outcome {
            Outcome::Request(request) => self.answer(&line, &request).await,
            Outcome::Refused(status) => self.refuse(&line, status).await,
            Outcome::End => Ok(Next::Close),
        }
    }

    async fn answer(&self, line: &[u8], request: &Request) -> Result<Next> {
        let answer = resource::answer(request, &self.server.folder, self.server.options);
        let mut response = panics::or_status(answer).await?;
        if request.method == Method::Get {
            let Server { cache, extra, .. } = self.server;
            cache.keep(&request.target, request.encodings, &mut response, extra).await?;
        }
        let next = match request {
            // The body was not received, and it may be coming or not. Others may send something all the same.
            Request { expects_continue: true, .. } | Request { keep_alive: false, .. } => Next::CloseEarly,
            _ if is_finishing() && self.input.is_empty() => Next::CloseEarly,
            _ => Next::Request,
        };
        let connection = match (next, request.is_1_1) {
            (Next::Request, true) => None,
            (Next::Request, false) => Some("keep-alive"),
            (Next::Close | Next::CloseEarly, _) => Some("close"),
        };
        self.send(line, &response, connection, request.method != Method::Head).await?;
        Ok(next)
    }

    async fn refuse(&self, line: &[u8], status: Status) -> Result<Next> {
        self.send(line, &Response::of_status(status), Some("close"), true).await?;
        Ok(Next::CloseEarly)
    }

    async fn send(
        &self,
        line: &[u8],
        response: &Response,
        connection: Option<&str>,
        with_content: bool,
    ) -> Result<()> {
        let sent = Cell::new(0);
        let sender = Sender::new(&self.stream, self.server.options.send_timeout, &sent);
        let result = sender
            .send(response.head(connection, &self.server.extra), with_content.then_some(&response.content))
            .await;
        self.server.log.note(self.client, line, response.status, sent.get());
        result
    }

    /// Reads on for a while, to give the client time to read the answer: closing a connection that has unread data makes
    /// the system throw away what the client has not read yet.
    async fn say_farewell(&self) -> Result<()> {
        move_on_after(FAREWELL, async {
            // By TLS that is a record, which a client that reads nothing leaves no room for.
            self.stream.send_eof().await?;
            while self.stream.receive().await?.is_some() {}
            anyio::Ok(())
        })
        .await?;
        Ok(())
    }
}

/// What was received: the request line, for the log, and what is to be made of it.
struct Received {
    line: Vec<u8>,
    outcome: Outcome,
}

enum Outcome {
    Request(Request),
    Refused(Status),
    End,
}

/// Receives a request with its body.
async fn receive(input: &mut Input, stream: &ClientStream) -> Result<Received> {
    let (head, length) = input.head(stream).await?;
    let line = input.first_line().to_owned();
    input.consume(length);
    let outcome = match head {
        // It need not send what changes nothing.
        Head::Request(request) if request.expects_continue && !request.method.is_served() => {
            Outcome::Request(request)
        }
        Head::Request(mut request) => {
            if std::mem::take(&mut request.expects_continue)
                && input.is_empty()
                && body::is_acceptable(request.body)
            {
                stream.send("HTTP/1.1 100 Continue\r\n\r\n").await?;
            }
            match body::skip(request.body, input, stream).await? {
                Ok(()) => Outcome::Request(request),
                Err(status) => Outcome::Refused(status),
            }
        }
        Head::Refused(status) => Outcome::Refused(status),
        Head::End => Outcome::End,
    };
    Ok(Received { line, outcome })
}
