//! What a server tells about itself.

use crate::{
    meeting::{Meeting, channel},
    trial::Trial,
};
use anyio::{Result, task_group};
use anyio_http::Server;
use anyio_tonic::{OrError, grpc, produce_requests, reflection::Reflection};
use prost::Message;
use prost_types::FileDescriptorProto;
use tonic::service::Routes;
use tonic_reflection::pb::{v1, v1alpha};

const GREETER: &[u8] = include_bytes!("../../proto/greeter.bin");

macro_rules! ask {
    ($version:ident, $channel:expr) => {{
        use $version::{
            ExtensionRequest, ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest::{self, *},
            server_reflection_response::MessageResponse,
        };

        let questions: Vec<MessageRequest> = vec![
            ListServices(String::new()),
            FileContainingSymbol("greeter.Greeter.SayHello".into()),
            FileContainingSymbol("greeter.HelloReply.number".into()),
            FileByFilename("greeter.proto".into()),
            FileContainingSymbol("greeter.Nobody".into()),
            AllExtensionNumbersOfType("greeter.HelloReply".into()),
            FileContainingExtension(ExtensionRequest {
                containing_type: "greeter.HelloReply".into(),
                extension_number: 5,
            }),
        ];
        let mut client = ServerReflectionClient::new($channel);
        let requests = produce_requests(async move |requests| {
            for question in questions {
                let message_request = Some(question);
                let asked = ServerReflectionRequest { host: "here".into(), message_request };
                requests.send_request(asked).await?;
            }
            Ok(())
        });
        let mut answers = client.server_reflection_info(requests).await.or_error()?.into_inner();
        let mut texts = Vec::new();
        while let Some(answer) = answers.message().await.or_error()? {
            assert_eq!(answer.valid_host, "here");
            texts.push(match answer.message_response.unwrap() {
                MessageResponse::ListServicesResponse(list) => {
                    list.service.into_iter().map(|service| service.name).collect::<Vec<_>>().join(" ")
                }
                MessageResponse::FileDescriptorResponse(files) => {
                    let file = FileDescriptorProto::decode(&*files.file_descriptor_proto[0]).unwrap();
                    format!("{} with {} messages", file.name(), file.message_type.len())
                }
                MessageResponse::ErrorResponse(error) => format!("error {}", error.error_code),
                MessageResponse::AllExtensionNumbersResponse(numbers) => {
                    format!("extensions {:?}", numbers.extension_number)
                }
            });
        }
        assert_eq!(
            texts,
            [
                "greeter.Greeter grpc.reflection.v1.ServerReflection grpc.reflection.v1alpha.ServerReflection",
                "greeter.proto with 2 messages",
                "greeter.proto with 2 messages",
                "greeter.proto with 2 messages",
                "error 5",
                "extensions []",
                "error 5",
            ]
        );
    }};
}

#[anyio::test]
async fn a_server_tells_what_it_serves_in_both_versions() -> Result<()> {
    let meeting = Meeting::new();
    let (trial, _events) = Trial::new();
    let reflection = Reflection::new([GREETER, GREETER]).unwrap();
    task_group(async |tg| -> Result<()> {
        let routes =
            Routes::new(trial.server()).add_service(reflection.v1()).add_service(reflection.v1alpha());
        tg.start_soon(async { Server::new().serve(&*meeting, grpc(routes)).await });
        ask!(v1, channel(tg, &meeting)?);
        ask!(v1alpha, channel(tg, &meeting)?);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
fn what_is_no_description_is_refused() {
    let error = Reflection::new([&b"\x0a\xff"[..]]).unwrap_err();
    assert_eq!(error.to_string(), "what is to describe services is no set of descriptors");
    assert!(std::error::Error::source(&error).is_some());
}
