//! The doctor at set-ups that are broken, each in another way.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use bridge_kit::cli::Role;
use bridge_kit::config::Config;
use bridge_kit::doctor::{Finding, Grade, Questions, Visit};
use bridge_kit::health::{Health, State, serve};
use bridge_kit::telemetry::Metrics;

use crate::homeserver::{Fault, Homeserver, Registration};
use crate::{config, free_port, program};

/// A set-up that works until it is broken.
struct Patient {
    homeserver: Homeserver,
    config: Config<()>,
    questions: Questions,
}

impl Patient {
    /// A bridge whose registration has not been loaded.
    async fn unregistered() -> Self {
        let homeserver = Homeserver::start().await;
        let mut config = config(Role::Asks, &homeserver.url(), free_port());
        config.telemetry.listen = loopback(free_port());
        config.vdp.listen = loopback(free_udp_port());
        let wait = Duration::from_millis(600);
        let questions = Questions {
            wait,
            ..Questions::default()
        };
        Self {
            homeserver,
            config,
            questions,
        }
    }

    async fn sound() -> Self {
        let patient = Self::unregistered().await;
        patient.homeserver.load(patient.registration());
        patient
    }

    /// A set-up with a registration that is not as it should be.
    async fn registered(spoil: impl FnOnce(&mut Registration)) -> Self {
        let patient = Self::unregistered().await;
        let mut registration = patient.registration();
        spoil(&mut registration);
        patient.homeserver.load(registration);
        patient
    }

    fn registration(&self) -> Registration {
        let appservice = &self.config.appservice;
        Registration {
            id: appservice.id.clone(),
            as_token: appservice.as_token.expose().to_owned(),
            hs_token: appservice.hs_token.expose().to_owned(),
            bot: appservice.bot.to_string(),
            url: appservice.url.as_str().trim_end_matches('/').to_owned(),
        }
    }

    async fn examined(&self) -> Vec<Finding> {
        let program = program("test-bridge", Role::Asks, "voicebot");
        let visit = Visit::new(&program, &self.config, &self.questions).await;
        let mut findings = visit.homeserver().await;
        findings.extend(visit.network().await);
        findings
    }
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// A UDP socket on a port of its own.
fn udp() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(loopback(0)).expect("a port");
    let address = socket.local_addr().expect("an address");
    (socket, address)
}

fn free_udp_port() -> u16 {
    udp().1.port()
}

fn of_grade(findings: &[Finding], grade: Grade) -> Vec<String> {
    let chosen = findings.iter().filter(|finding| finding.grade == grade);
    chosen.map(ToString::to_string).collect()
}

/// Compares what does not work with what should be said of it, and sees that no other set-up got the same advice.
#[derive(Default)]
struct Table {
    advice: BTreeSet<String>,
    rows: usize,
}

impl Table {
    async fn row(&mut self, what: &str, advice: &str, patient: Patient) {
        let findings = patient.examined().await;
        let faults: Vec<&Finding> = findings.iter().filter(|finding| finding.is_fault()).collect();
        let [fault] = faults.as_slice() else {
            panic!("{what}: {findings:#?}");
        };
        assert!(fault.what.contains(what), "{what}: {fault}");
        assert!(fault.advice.contains(advice), "{advice}: {fault}");
        assert_eq!(fault.to_string().lines().count(), 1);
        assert!(self.advice.insert(fault.advice.clone()), "said twice: {fault}");
        self.rows += 1;
    }
}

#[tokio::test]
async fn a_sound_set_up_has_no_fault() {
    let findings = Patient::sound().await.examined().await;
    assert_eq!(of_grade(&findings, Grade::Fault), Vec::<String>::new());
    let notes = of_grade(&findings, Grade::Note);
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("each with `--peer ADDRESS:PORT`"), "{notes:?}");
    let fine = of_grade(&findings, Grade::Fine).join("\n");
    for works in [
        "homeserver.url: a homeserver answers",
        "the clock agrees",
        "the homeserver knows the bridge as @voicebot:hs",
        "appservice.url: the homeserver reaches the bridge",
        "appservice.listen: TCP",
        "telemetry.listen: TCP",
        "vdp.listen: UDP",
    ] {
        assert!(fine.contains(works), "{works} is not in:\n{fine}");
    }
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "it is one table")]
async fn each_broken_set_up_has_a_finding_and_advice_of_its_own() {
    let mut table = Table::default();

    let mut away = Patient::sound().await;
    away.config.homeserver.url = format!("http://127.0.0.1:{}", free_port()).parse().expect("a URL");
    table
        .row("homeserver.url: nobody answers", "see that the homeserver runs", away)
        .await;

    let failing = Patient::sound().await;
    failing.homeserver.fail_next([Fault::NotJson(502)]);
    table
        .row("answers with status 502", "failing behind its proxy", failing)
        .await;

    let other = Patient::sound().await;
    other.homeserver.fail_next([Fault::NotJson(200)]);
    table.row("is no homeserver", "without `/_matrix`", other).await;

    let early = Patient::sound().await;
    early.homeserver.stop_clock("Sun, 06 Nov 1994 08:49:37 GMT");
    table.row("s ahead of the homeserver's", "by NTP", early).await;

    let unregistered = Patient::unregistered().await;
    table
        .row(
            "appservice.as_token: the homeserver does not know it",
            "restart the homeserver",
            unregistered,
        )
        .await;

    let others = Patient::registered(|it| it.bot = "@otherbot:hs".to_owned()).await;
    table
        .row(
            "knows this as_token as @otherbot:hs, not as @voicebot:hs",
            "correct appservice.bot",
            others,
        )
        .await;

    let another_id = Patient::registered(|it| it.id = "another".to_owned()).await;
    table
        .row("as that of `voice`", "the one in the registration", another_id)
        .await;

    let stranger = Patient::registered(|it| it.hs_token = "stale".to_owned()).await;
    table
        .row(
            "appservice.hs_token",
            "another hs_token than the configuration",
            stranger,
        )
        .await;

    let unreached = Patient::registered(|it| it.url = format!("http://127.0.0.1:{}", free_port())).await;
    table.row("does not get through", "open TCP port", unreached).await;

    let nowhere = Patient::registered(|it| it.url = String::new()).await;
    table.row("holds no url", "generate it anew", nowhere).await;

    let taken = Patient::sound().await;
    let _other = std::net::TcpListener::bind(taken.config.appservice.listen).expect("the port");
    table
        .row("appservice.listen: another program has TCP", "stop it", taken)
        .await;

    let watched = Patient::sound().await;
    let _other = std::net::TcpListener::bind(watched.config.telemetry.listen).expect("the port");
    table
        .row("telemetry.listen: another program has TCP", "stop it", watched)
        .await;

    let mut elsewhere = Patient::sound().await;
    elsewhere.config.vdp.listen = "192.0.2.1:29400".parse().expect("an address");
    table
        .row(
            "vdp.listen: 192.0.2.1 is no address of this machine",
            "listen on 0.0.0.0:29400",
            elsewhere,
        )
        .await;

    let squatted = Patient::sound().await;
    let _squatter = UdpSocket::bind(squatted.config.vdp.listen).expect("the port");
    table
        .row("vdp.listen: another program has UDP", "stop it", squatted)
        .await;

    let mut closed = Patient::sound().await;
    closed.questions.peer = Some(loopback(free_udp_port()));
    table
        .row(
            "nothing listens on UDP port",
            "start the other bridge or its doctor",
            closed,
        )
        .await;

    let (_silent, address) = udp();
    let mut unheard = Patient::sound().await;
    unheard.questions.peer = Some(address);
    table
        .row("vdp: nothing comes from", "in both directions", unheard)
        .await;

    let (peer, address) = udp();
    let mut deaf = Patient::sound().await;
    deaf.questions.peer = Some(address);
    let question = [b"doctor?q".as_slice(), &[7; 16]].concat();
    let to = deaf.config.vdp.listen;
    let asking = std::thread::spawn(move || {
        for _ in 0..40 {
            peer.send_to(&question, to).expect("sent");
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    deaf.questions.wait = Duration::from_secs(1);
    table
        .row("sends arrives, but what is sent to", "open UDP port", deaf)
        .await;
    asking.join().expect("an end");

    assert!(table.rows >= 10);
}

#[tokio::test]
async fn two_doctors_find_each_other() {
    let (mut one, mut other) = (Patient::sound().await, Patient::sound().await);
    one.questions.peer = Some(other.config.vdp.listen);
    other.questions.peer = Some(one.config.vdp.listen);
    for patient in [&mut one, &mut other] {
        patient.questions.wait = crate::DEADLINE;
    }
    let (one, other) = tokio::join!(one.examined(), other.examined());
    for findings in [one, other] {
        assert_eq!(of_grade(&findings, Grade::Fault), Vec::<String>::new());
        let fine = of_grade(&findings, Grade::Fine).join("\n");
        assert!(fine.contains("and back"), "{fine}");
    }
}

/// Its ports are taken by itself, and who has an open channel answers no doctor.
#[tokio::test]
async fn a_running_bridge_is_no_stranger() {
    let mut patient = Patient::sound().await;
    let _vdp = UdpSocket::bind(patient.config.vdp.listen).expect("the port");
    let health = Health::new(program("test-bridge", Role::Asks, "voicebot"));
    health.component("test").set(State::Ready, "");
    let metrics = Metrics::install().expect("metrics");
    let _server = serve(patient.config.telemetry.listen, health, metrics)
        .await
        .expect("served");
    let (_silent, address) = udp();
    patient.questions.peer = Some(address);
    let findings = patient.examined().await;
    assert_eq!(of_grade(&findings, Grade::Fault), Vec::<String>::new());
    let fine = of_grade(&findings, Grade::Fine).join("\n");
    assert!(fine.contains("vdp.listen: the running bridge has UDP"), "{fine}");
    assert!(fine.contains("telemetry.listen: the running bridge has TCP"), "{fine}");
    let notes = of_grade(&findings, Grade::Note);
    assert!(
        notes[0].contains("more cannot be told while the bridge runs"),
        "{notes:?}"
    );
}
