//! TLS for the voice gateway under a private CA made at start.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::serve::Listener;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::server::VoiceServer;

/// A client has this long for its handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections that may wait to be taken.
const BACKLOG: usize = 64;

/// Why no certificate could be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The certificate could not be made.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The TLS stack refuses it.
    #[error("cannot use the certificate")]
    Configuration(#[from] rustls::Error),
}

/// A CA's certificate and a server certificate signed by it, for localhost and the address that the server listens on.
#[derive(Debug)]
pub(crate) struct Identity {
    /// The CA's certificate in PEM.
    pub(crate) ca_pem: String,
    configuration: Arc<rustls::ServerConfig>,
}

impl Identity {
    pub(crate) fn generate(server: IpAddr) -> Result<Self, TlsError> {
        let mut ca = CertificateParams::default();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "Discord stand-in CA");
        let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

        let names = ["localhost".to_owned(), "127.0.0.1".to_owned(), server.to_string()];
        let mut server = CertificateParams::new(names)?;
        server.distinguished_name.push(DnType::CommonName, "localhost");
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &ca)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let configuration = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )?;
        Ok(Self {
            ca_pem: ca.pem(),
            configuration: Arc::new(configuration),
        })
    }

    /// Takes connections under this identity.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.configuration))
    }
}

/// Hands finished TLS connections to axum; handshakes run side by side, so that a slow one holds nobody up.
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
    address: SocketAddr,
}

impl TlsListener {
    pub(crate) fn new(
        listener: TcpListener,
        acceptor: TlsAcceptor,
        server: Arc<VoiceServer>,
        tasks: &TaskTracker,
        cancel: CancellationToken,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (finished, ready) = mpsc::channel(BACKLOG);
        let handshakes = tasks.clone();
        tasks.spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = cancel.cancelled() => return,
                    () = server.retired().cancelled() => return,
                    accepted = listener.accept() => accepted,
                };
                let Ok((stream, from)) = accepted else {
                    continue;
                };
                let (acceptor, finished) = (acceptor.clone(), finished.clone());
                let server = Arc::clone(&server);
                let cancel = cancel.clone();
                handshakes.spawn(async move {
                    // A dead server leaves its callers waiting.
                    tokio::select! {
                        () = cancel.cancelled() => return,
                        _ = server.revival() => {}
                    }
                    // A handshake that fails concerns nobody but its client, which sees why.
                    if let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await {
                        drop(finished.send((stream, from)).await);
                    }
                });
            }
        });
        Ok(Self { ready, address })
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(connection) => connection,
            // The accepting task has ended with the stand-in: there is nothing to come.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Ok(self.address)
    }
}
