use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use lunora_core::domain::SourceId;
use serde::Serialize;

use super::path::{Id, Service};
use crate::{Api, finding::FindingView, problem::Problem, reply::Success};

#[derive(Serialize)]
struct TestBody<'a> {
    message: &'static str,
    source_id: &'a SourceId,
    finding: FindingView<'a>,
}

pub(crate) async fn test(
    State(api): State<Api>,
    Service(sources): Service,
    Id(id): Id,
) -> Result<Response, Problem> {
    let finding = api.tested(sources.test(&id)).await??;
    let message = if finding.is_good() {
        "The source comes in"
    } else {
        "The source does not come in as it should; see `finding`"
    };
    let body = TestBody {
        message,
        source_id: &id,
        finding: FindingView::from(&finding),
    };
    Ok(Success(body).into_response())
}

#[cfg(test)]
mod tests {
    use lunora_testkit::sample;
    use serde_json::json;

    use crate::world::{World, encoder};

    #[tokio::test]
    async fn rule_27_a_test_of_a_source_tells_what_it_checked() {
        let world = World::new();
        let path = format!("{}/test", world.create_source(encoder("one")).await);
        let nothing = world.act(&path).await;
        assert_eq!(nothing.json["finding"]["good"], false);
        let check = &nothing.json["finding"]["checks"][0];
        assert_eq!(
            (&check["aspect"], &check["outcome"]),
            (&json!("media"), &json!("failed"))
        );
        assert_eq!(check["fault"]["code"], "source_lost");

        let id = world.sources.taken_in().remove(0);
        world.sources.ingests.receive(&id, sample::media_facts());
        let good = world.act(&path).await;
        assert_eq!(good.json["finding"]["good"], true);
        assert_eq!(good.json["finding"]["media"]["bitrate_bps"], 6_000_000);
    }
}
