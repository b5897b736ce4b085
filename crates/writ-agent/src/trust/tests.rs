//! A server with a certificate that somebody made with one `openssl` command: marked as an authority, signed by itself.
//! The keys here are nobody's and protect nothing.

use super::*;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ServerConfig, ServerConnection};
use std::net::TcpListener;

/// Answers one connection, as well as it can.
fn server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let certs = CertificateDer::pem_slice_iter(include_bytes!("own.pem")).map(|c| c.expect("a certificate")).collect();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(include_bytes!("own.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(certs, key)
        .expect("a pair");
    let config = Arc::new(config);
    std::thread::spawn(move || {
        let Ok((mut tcp, _)) = listener.accept() else { return };
        let Ok(mut conn) = ServerConnection::new(config) else { return };
        let mut tls = rustls::Stream::new(&mut conn, &mut tcp);
        let mut read = [0u8; 4096];
        if tls.read(&mut read).is_ok() {
            // A client that did not believe the certificate has hung up already.
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
        }
    });
    port
}

fn ask(file: &str) -> Result<String, Error> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/trust").join(file);
    let agent = agent(Agent::config_builder().proxy(None).build(), Some(&path)).expect("a client");
    let mut answer = agent.get(format!("https://127.0.0.1:{}/", server())).call()?;
    answer.body_mut().read_to_string()
}

#[test]
fn a_certificate_in_the_file_is_the_server_and_no_other_is() {
    assert_eq!(ask("own.pem").expect("believed"), "hello");
    let refused = ask("another.pem").expect_err("not believed").to_string();
    assert!(refused.contains("certificate"), "{refused}");
}

#[test]
fn a_file_without_a_certificate_is_named() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let refused = agent(Agent::config_builder().build(), Some(&path)).expect_err("refused");
    assert!(refused.contains("Cargo.toml") && refused.contains("no certificate"), "{refused}");
}
