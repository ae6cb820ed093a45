use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use lunora_core::{
    domain::{Advice, DestinationId, Edit, Leg},
    port::Depth,
};
use serde::{Deserialize, Serialize};

use super::{path::Id, why::AdviceView};
use crate::{
    Api,
    body::{Field, MaybeJsonObject},
    finding::{FindingView, VerdictView},
    problem::Problem,
    reply::Success,
};

/// How a client wants a destination tested.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TestBody {
    depth: Field,
    leg: Field,
}

impl TestBody {
    /// A publish has to be asked for by name (rule 27).
    fn depth(&self) -> Result<Depth, Problem> {
        let depth = self.depth.required("depth")?;
        Ok(depth.unwrap_or(Depth::Connect))
    }

    fn leg(&self) -> Result<Option<Leg>, Problem> {
        match self.leg.text("leg")? {
            Edit::Set("primary") => Ok(Some(Leg::Primary)),
            Edit::Set("backup") => Ok(Some(Leg::Backup)),
            Edit::Keep => Ok(None),
            _ => Err(Problem::invalid("`leg` has to be primary or backup")),
        }
    }
}

#[derive(Serialize)]
struct TestReply<'a> {
    message: &'static str,
    destination_id: &'a DestinationId,
    leg: Leg,
    depth: Depth,
    finding: FindingView<'a>,
    /// Of what failed first.
    advice: Option<AdviceView>,
    /// What comes in, held against the rules of the platform.
    verdicts: Vec<VerdictView<'a>>,
}

pub(crate) async fn test(
    State(api): State<Api>,
    Id(id): Id,
    MaybeJsonObject(body): MaybeJsonObject<TestBody>,
) -> Result<Response, Problem> {
    let (depth, leg) = (body.depth()?, body.leg()?);
    let parts = api.parts();
    let Some(probe) = &parts.destination_probe else {
        let message = "This deployment cannot test destinations; start one and look at its state";
        return Err(Problem::not_implemented(message));
    };
    let media = match (parts.program.program().media, &parts.sources) {
        (Some(media), _) => Some(media),
        (None, Some(sources)) => sources.on_air().await?,
        (None, None) => None,
    };
    let service = &parts.destinations;
    let test = service.test(probe.as_ref(), &id, leg, depth, media.as_ref());
    let test = api.tested(test).await??;
    let message = if test.finding.is_good() {
        "What was checked is as it should be"
    } else {
        "The destination does not answer as it should; see `finding`"
    };
    let body = TestReply {
        message,
        destination_id: &id,
        leg: test.leg,
        depth,
        advice: test
            .finding
            .fault()
            .map(|fault| Advice::of(fault.code, fault.class).into()),
        finding: FindingView::from(&test.finding),
        verdicts: test.verdicts.iter().map(VerdictView::from).collect(),
    };
    Ok(Success(body).into_response())
}

#[cfg(test)]
mod tests {
    use lunora_core::port::Depth;
    use lunora_testkit::sample;
    use serde_json::{Value, json};

    use crate::world::{World, custom, encoder};

    fn outcomes(finding: &Value) -> Vec<(String, String)> {
        let checks = finding["checks"].as_array().unwrap().iter();
        let text = |it: &'_ Value| it.as_str().map(str::to_owned).unwrap();
        checks
            .map(|it| (text(&it["aspect"]), text(&it["outcome"])))
            .collect()
    }

    #[tokio::test]
    async fn rule_27_a_test_publishes_only_if_that_is_asked_for() {
        let world = World::new();
        let path = format!("{}/test", world.create(custom("one")).await);
        world.probe.answer(None);

        let default = world.act(&path).await;
        assert_eq!(default.status, 200, "{}", default.text);
        assert_eq!(default.json["depth"], "connect");
        assert_eq!(default.json["advice"], json!(null));
        let expected = [
            ("settings", "passed"),
            ("name", "passed"),
            ("tcp", "passed"),
            ("connect", "passed"),
            ("publish", "not_checked"),
        ];
        let expected = expected.map(|(aspect, outcome)| (aspect.to_owned(), outcome.to_owned()));
        assert_eq!(outcomes(&default.json["finding"]), expected);
        world.post(&path, json!({})).await;
        world
            .post(&path, json!({"depth": "tcp", "leg": "primary"}))
            .await;
        world.post(&path, json!({"depth": "publish"})).await;
        let asked = [Depth::Connect, Depth::Connect, Depth::Tcp, Depth::Publish];
        assert_eq!(world.probe.asked(), asked);
        assert_eq!(world.on_air(), 0);
    }

    #[tokio::test]
    async fn a_test_tells_whether_the_platform_takes_what_comes_in() {
        let world = World::new();
        world.create_source(encoder("camera")).await;
        let mut media = sample::media_facts();
        media.bitrate_bps = Some(10_000_000);
        let id = world.sources.taken_in().remove(0);
        world.sources.ingests.receive(&id, media);
        let body = json!({"name": "t", "platform": "twitch", "stream_key": "k"});
        let path = format!("{}/test", world.create(body).await);

        let reply = world.act(&path).await;
        assert_eq!(reply.json["finding"]["good"], false, "nobody listens");
        for part in ["happened", "by_itself", "to_do"] {
            assert!(reply.json["advice"][part].is_string(), "{}", reply.text);
        }
        let verdicts = reply.json["verdicts"].as_array().unwrap();
        let bitrate = verdicts.iter().find(|it| it["rule"] == "bitrate").unwrap();
        assert_eq!(bitrate["fit"], "refuses");
        let text = bitrate["text"].as_str().unwrap();
        assert!(text.contains("lower the bitrate"), "{text}");
        let scheme = verdicts.iter().find(|it| it["rule"] == "scheme").unwrap();
        assert_eq!(scheme, &json!({"rule": "scheme", "fit": "fits"}));
    }

    #[tokio::test]
    async fn what_cannot_be_tested_says_why() {
        let world = World::new();
        let path = format!("{}/test", world.create(custom("one")).await);
        for body in [
            json!({"depth": "canary"}),
            json!({"depth": 1}),
            json!({"leg": "canary"}),
            json!({"leg": "backup"}),
        ] {
            let reply = world.post(&path, body).await;
            assert_eq!(reply.refusal(), (400, "invalid"));
            assert!(!reply.text.contains("canary"));
        }
        let mut srt = custom("two");
        srt["rtmp_url"] = json!("srt://127.0.0.1:9000");
        let path = format!("{}/test", world.create(srt).await);
        let reply = world.act(&path).await;
        assert_eq!(reply.refusal(), (400, "unsupported"));
        let reply = world.act("/api/destinations/dest-1/test").await;
        assert_eq!(reply.refusal(), (404, "not_found"));
    }
}
