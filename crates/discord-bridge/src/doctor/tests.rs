//! What the local Discord cannot be made to say.

use std::time::Duration;

use super::*;
use crate::gateway::facts::UserId;

fn only_fault(answers: &Answers) -> String {
    let findings = findings(answers);
    let faults: Vec<&Finding> = findings.iter().filter(|finding| finding.is_fault()).collect();
    let [fault] = faults.as_slice() else {
        panic!("{findings:#?}");
    };
    fault.to_string()
}

#[test]
fn what_discord_seldom_says_is_judged() {
    let bot = Bot {
        id: UserId(std::num::NonZeroU64::MIN),
        name: "bridge".to_owned(),
    };
    let mut answers = Answers {
        bot: Ok(bot),
        application: Some(Ok(Application {
            id: 7,
            missing_intents: vec!["Server Members Intent"],
        })),
        logins: None,
        is_anywhere: None,
        channels: Vec::new(),
    };
    let fault = only_fault(&answers);
    assert!(
        fault.contains("lacks the Server Members Intent; switch it on"),
        "{fault}"
    );

    answers.application = None;
    answers.logins = Some(Ok(Logins {
        left: 0,
        total: 1000,
        renewed_in: Duration::from_secs(90),
    }));
    let fault = only_fault(&answers);
    assert!(
        fault.contains("has logged in 1000 times") && fault.contains("wait for 2 min"),
        "{fault}"
    );

    answers.logins = None;
    answers.is_anywhere = Some(Ok(false));
    let fault = only_fault(&answers);
    assert!(
        fault.contains("a member of no server") && fault.contains("client_id=APPLICATION_ID"),
        "{fault}"
    );
}
