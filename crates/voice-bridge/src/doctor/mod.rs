//! The voice bridge's part of `doctor`: the port for calls' media, and the SFUs of MatrixRTC. Asks first, then judges.

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use bridge_kit::doctor::{Finding, Port, Visit};
use bridge_kit::matrix::{MatrixClient, RoomId};
use reqwest::Url;
use reqwest::redirect::Policy;
use tokio::net::UdpSocket;

use crate::matrixrtc::Focus;
use crate::matrixrtc::transport::{Caller, TransportError, Transports};
use crate::settings::Settings;

/// How long an SFU's answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What was found.
struct Answers {
    port: Port,
    /// The SFUs that the homeserver and the configuration name; `None` where they were not looked for.
    sfus: Option<Vec<(Focus, Door)>>,
}

/// What came of asking to be let in.
enum Door {
    /// The authorisation service said no, or nothing.
    Shut(TransportError),
    /// It gave a token, and named this SFU, which answers or does not.
    Open(Url, Result<(), reqwest::Error>),
}

/// Tries the port, and the ways into SFUs.
pub(crate) async fn examine(visit: &Visit<'_, Settings>) -> Vec<Finding> {
    findings(&visit.config.own, &ask(visit).await)
}

async fn ask(visit: &Visit<'_, Settings>) -> Answers {
    let settings = &visit.config.own;
    Answers {
        port: Port::tried(&UdpSocket::bind(settings.webrtc.listen).await, visit.running),
        sfus: if settings.matrixrtc.enabled {
            sfus(visit).await
        } else {
            None
        },
    }
}

async fn sfus(visit: &Visit<'_, Settings>) -> Option<Vec<(Focus, Door)>> {
    let config = visit.config;
    let matrixrtc = &config.own.matrixrtc;
    let client = MatrixClient::new(&config.homeserver, &config.appservice)
        .ok()?
        .impatient();
    // Nobody is in this room: an SFU that makes it at all takes it away again.
    let caller = Caller {
        room: RoomId::parse(format!("!doctor:{}", config.homeserver.name)).ok()?,
        user: config.appservice.bot.clone(),
        device: matrixrtc.device_id.clone(),
        member_id: "doctor".to_owned(),
    };
    let configured = matrixrtc.foci().ok()?;
    let transports = Transports::new(client, matrixrtc.mode, configured, matrixrtc.strangers()).ok()?;
    let mut found = Vec::new();
    for focus in transports.known().await {
        let door = match transports.publishing(&caller, &focus).await {
            Ok(grant) => Door::Open(grant.url.clone(), knock(grant.url).await),
            Err(error) => Door::Shut(error),
        };
        found.push((focus, door));
    }
    Some(found)
}

/// Whether anybody answers at an SFU, whatever it is.
async fn knock(mut sfu: Url) -> Result<(), reqwest::Error> {
    let scheme = if matches!(sfu.scheme(), "wss" | "https") {
        "https"
    } else {
        "http"
    };
    // From one scheme of the web to another there is nothing to refuse.
    let _ = sfu.set_scheme(scheme);
    let client = reqwest::Client::builder()
        .timeout(PATIENCE)
        .redirect(Policy::none())
        .build()?;
    client.get(sfu).send().await.map(drop)
}

/// What the answers mean.
fn findings(settings: &Settings, answers: &Answers) -> Vec<Finding> {
    let listen = settings.webrtc.listen;
    let mut findings = vec![answers.port.finding("webrtc.listen", "UDP", listen)];
    let advertised = settings.webrtc.advertised().unwrap_or_default();
    if advertised.iter().all(IpAddr::is_loopback) {
        findings.push(Finding::note(
            "webrtc.advertise: callers are told an address that only this machine reaches",
            format!(
                "for callers elsewhere, listen on 0.0.0.0:{port}, advertise the address that they reach, and open UDP port {port}",
                port = listen.port()
            ),
        ));
    }
    match &answers.sfus {
        None if settings.matrixrtc.enabled => {}
        None => findings.push(Finding::note(
            "matrixrtc.enabled: calls over an SFU (Element Call) are switched off",
            "switch them on if they are wanted",
        )),
        Some(sfus) if sfus.is_empty() => findings.push(Finding::note(
            "matrixrtc: neither the homeserver nor the configuration names an SFU, so only calls that name one are joined",
            "name an authorisation service in matrixrtc.livekit_service_urls, or in the homeserver's \
             /.well-known/matrix/client under org.matrix.msc4143.rtc_foci",
        )),
        Some(sfus) => findings.extend(sfus.iter().map(|(focus, door)| sfu(focus, door))),
    }
    findings
}

fn sfu(focus: &Focus, door: &Door) -> Finding {
    let service = focus.as_str();
    match door {
        Door::Open(sfu, Ok(())) => Finding::fine(format!("matrixrtc: {service} lets the bridge in, and {sfu} answers")),
        Door::Open(sfu, Err(_)) => Finding::fault(
            format!("matrixrtc: {service} lets the bridge in, but nobody answers at {sfu}"),
            "see that LiveKit runs there, and that this machine reaches it",
        ),
        Door::Shut(TransportError::Unreachable(_)) => Finding::fault(
            format!("matrixrtc: nobody answers at {service}"),
            "see that the authorisation service (lk-jwt-service) runs, and that this machine reaches it",
        ),
        Door::Shut(TransportError::OpenId(error)) => Finding::fault(
            format!(
                "matrixrtc: the homeserver vouches for the bridge at no SFU ({})",
                error.in_full()
            ),
            "mend first what is wrong with the homeserver",
        ),
        Door::Shut(TransportError::Refused { status: 404 | 405, .. }) => Finding::fault(
            format!("matrixrtc: who answers at {service} is no authorisation service"),
            "name the address below which it has /sfu/get",
        ),
        Door::Shut(TransportError::Refused { status, code }) => Finding::fault(
            format!("matrixrtc: {service} does not let the bridge in (status {status} {code})"),
            "the service has to admit this homeserver's users and to reach its federation API (port 8448 or what is \
             delegated): look into its log",
        ),
        Door::Shut(error @ (TransportError::OutOfReach(_) | TransportError::Nonsense(_))) => Finding::fault(
            format!("matrixrtc: {service} gives no token that can be used ({error})"),
            "see which SFU the service is set up for",
        ),
    }
}
