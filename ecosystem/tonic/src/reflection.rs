//! Telling clients which services and messages there are.

mod index;

pub use self::index::InvalidDescription;

use self::index::Index;
use crate::{MessageStream, local, produce};
use std::sync::Arc;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_reflection::pb::{v1, v1alpha};

/// Answers what clients such as `grpcurl` ask about the services of a server, in both versions of the protocol
/// ([`v1`](Self::v1) and [`v1alpha`](Self::v1alpha)). (The service of tonic-reflection itself starts tasks of tokio's.)
///
/// What it knows are sets of descriptors, as compilers of protocols write them: of tonic-prost-build by
/// `file_descriptor_set_path`, of `protoc` by `--descriptor_set_out` with `--include_imports`.
///
/// ```
/// use anyio_tonic::{grpc, reflection::Reflection};
/// use tonic::service::Routes;
///
/// let reflection = Reflection::new([tonic_health::pb::FILE_DESCRIPTOR_SET])?;
/// let routes = Routes::new(reflection.v1()).add_service(reflection.v1alpha());
/// let handler = grpc(routes);
/// # drop(handler);
/// # Ok::<_, anyio_tonic::reflection::InvalidDescription>(())
/// ```
#[derive(Debug, Clone)]
pub struct Reflection(Arc<Index>);

impl Reflection {
    /// Of these sets of descriptors, and of reflection itself. Of a file that is there several times the first is shown.
    ///
    /// # Errors
    /// If what is given is no such set.
    pub fn new<'a>(sets: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, InvalidDescription> {
        let own = [v1::FILE_DESCRIPTOR_SET, v1alpha::FILE_DESCRIPTOR_SET];
        Ok(Self(Arc::new(Index::of(sets.into_iter().chain(own))?)))
    }

    /// The service `grpc.reflection.v1.ServerReflection`.
    pub fn v1(&self) -> v1::server_reflection_server::ServerReflectionServer<Self> {
        v1::server_reflection_server::ServerReflectionServer::new(self.clone())
    }

    /// The service `grpc.reflection.v1alpha.ServerReflection`, which older clients ask.
    pub fn v1alpha(&self) -> v1alpha::server_reflection_server::ServerReflectionServer<Self> {
        v1alpha::server_reflection_server::ServerReflectionServer::new(self.clone())
    }
}

/// Both versions are the same but for their names.
macro_rules! service {
    ($version:ident) => {
        const _: () = {
            use $version::{
                ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse,
                ServerReflectionRequest, ServerReflectionResponse, ServiceResponse,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
                server_reflection_server::ServerReflection,
            };

            fn files(file_descriptor_proto: Vec<Vec<u8>>) -> MessageResponse {
                MessageResponse::FileDescriptorResponse(FileDescriptorResponse { file_descriptor_proto })
            }

            fn answer(index: &Index, request: &ServerReflectionRequest) -> Result<MessageResponse, Status> {
                match &request.message_request {
                    None => Err(Status::invalid_argument("nothing is asked for")),
                    Some(MessageRequest::FileByFilename(name)) => Ok(files(index.file(name)?)),
                    Some(MessageRequest::FileContainingSymbol(name)) => Ok(files(index.symbol(name)?)),
                    Some(MessageRequest::FileContainingExtension(extension)) => {
                        let number = extension.extension_number;
                        Ok(files(index.extension(&extension.containing_type, number)?))
                    }
                    Some(MessageRequest::AllExtensionNumbersOfType(name)) => {
                        let extension_number = index.extensions_of(name)?;
                        let base_type_name = name.clone();
                        let numbers = ExtensionNumberResponse { base_type_name, extension_number };
                        Ok(MessageResponse::AllExtensionNumbersResponse(numbers))
                    }
                    Some(MessageRequest::ListServices(_)) => {
                        let name = |name: &String| ServiceResponse { name: name.clone() };
                        let service = index.services().map(name).collect();
                        Ok(MessageResponse::ListServicesResponse(ListServiceResponse { service }))
                    }
                }
            }

            #[local]
            impl ServerReflection for Reflection {
                type ServerReflectionInfoStream = MessageStream<ServerReflectionResponse>;

                async fn server_reflection_info(
                    &self,
                    request: Request<Streaming<ServerReflectionRequest>>,
                ) -> Result<Response<Self::ServerReflectionInfoStream>, Status> {
                    let (index, mut requests) = (self.0.clone(), request.into_inner());
                    Ok(Response::new(produce(async move |answers| {
                        while let Some(request) = requests.message().await? {
                            let message = answer(&index, &request).unwrap_or_else(|status| {
                                MessageResponse::ErrorResponse(ErrorResponse {
                                    error_code: Code::from(status.code()) as i32,
                                    error_message: status.message().to_owned(),
                                })
                            });
                            let valid_host = request.host.clone();
                            let answer = ServerReflectionResponse {
                                valid_host,
                                original_request: Some(request),
                                message_response: Some(message),
                            };
                            answers.send(answer).await?;
                        }
                        Ok(())
                    })))
                }
            }
        };
    };
}

service!(v1);
service!(v1alpha);
