//! Many destinations over several flows: what it costs, and what a wrong table does.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use aws_sdk_mediaconnect::{
    Client,
    types::{AddOutputRequest, Protocol},
};
use lunora_core::{
    domain::{Destination, DestinationId, OutputType},
    port::{
        Clock, DestinationRepo, Expect, Page, PageRequest, PortError, Repo, RepoExt, Revision,
        Versioned,
    },
    service::{Cause, Scope},
};
use lunora_testkit::{
    aws::{Modes, OutputStatus},
    memory::MemoryDestinationRepo,
    sample,
};

use crate::{
    cloud::{Cloud, Weather, pass},
    support::sdk_config,
};

/// A head flow that feeds four children, one slot each.
async fn five_flows(modes: Modes) -> Cloud {
    let cloud = Cloud::new(modes, 5, 50);
    let client = Client::new(&sdk_config(&cloud.simulator));
    let feeds = (1..5).map(|n| {
        let feed = AddOutputRequest::builder().name(format!("feed-{n}"));
        let feed = feed.protocol(Protocol::SrtListener).port(6000 + n);
        feed.cidr_allow_list("10.0.0.0/16").build()
    });
    let add = client.add_flow_outputs().flow_arn(cloud.flows[0].as_str());
    add.set_outputs(Some(feeds.collect())).send().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    cloud.simulator.forget_calls();
    cloud
}

fn enabled(cloud: &Cloud) -> usize {
    let outputs = cloud.simulator.outputs().into_iter();
    let ours = outputs.filter(|it| it.name.starts_with("lunora-"));
    ours.filter(|it| it.status == OutputStatus::Enabled).count()
}

#[tokio::test(start_paused = true)]
async fn two_hundred_destinations_over_five_flows_are_live_without_one_throttled_call() {
    for modes in Modes::all() {
        let cloud = five_flows(modes).await;
        for n in 1..=200 {
            cloud.store_running(n).await;
        }
        let process = cloud.process("one");

        let begin = cloud.clock.now();
        let report = pass(&process).await;
        let took = cloud.clock.now().duration_since(begin);

        assert_eq!(
            (report.done.len(), report.failed.len()),
            (200, 0),
            "{modes:?}"
        );
        assert_eq!(enabled(&cloud), 200);
        let calls = cloud.simulator.calls();
        let throttled = calls.iter().filter(|it| it.status == Some(429)).count();
        assert_eq!(throttled, 0, "{modes:?}");
        let writes = calls.iter().filter(|it| it.is_write).count();
        // 46 on the head, 50 on each child, in batches of at most 50.
        assert!(writes <= 14, "{writes} writes in {modes:?}");
        assert!(took.as_secs() <= 10, "{took:#} in {modes:?}");

        // A look at everything is one describe a flow, and nothing else.
        cloud.simulator.forget_calls();
        process.reconciler.look().await.unwrap();
        let calls = cloud.simulator.calls();
        assert!(
            calls.iter().all(|it| it.operation == "DescribeFlow"),
            "{calls:?}"
        );
        assert_eq!(calls.len(), 5);
    }
}

/// A table that is not the one it should be.
#[derive(Debug)]
struct Wrong {
    rows: MemoryDestinationRepo,
    seen: usize,
}

#[async_trait]
impl Repo<Destination> for Wrong {
    async fn get(&self, id: &DestinationId) -> Result<Option<Versioned<Destination>>, PortError> {
        self.rows.get(id).await
    }

    async fn put(&self, value: &Destination, expect: Expect) -> Result<Revision, PortError> {
        self.rows.put(value, expect).await
    }

    async fn remove(&self, id: &DestinationId, revision: &Revision) -> Result<(), PortError> {
        self.rows.remove(id, revision).await
    }

    /// Shows some, and says that these are all.
    async fn list(&self, page: PageRequest) -> Result<Page<Versioned<Destination>>, PortError> {
        let mut page = self.rows.list(page).await?;
        page.items.truncate(self.seen);
        page.next = None;
        Ok(page)
    }
}

#[tokio::test(start_paused = true)]
async fn rule_9_no_output_goes_off_when_the_table_is_empty_wrong_or_truncated() {
    let cloud = five_flows(Modes::default()).await;
    for n in 1..=20 {
        cloud.store_running(n).await;
    }
    pass(&cloud.process("one")).await;
    assert_eq!(enabled(&cloud), 20);

    let empty = MemoryDestinationRepo::default();
    let wrong = MemoryDestinationRepo::default();
    let stranger = Destination {
        output_type: OutputType::MediaConnect,
        enabled: false,
        ..sample::destination(99)
    };
    wrong.create(&stranger).await.unwrap();
    let whole = cloud.destinations.clone();
    let tables = [
        (
            "empty",
            Wrong {
                rows: empty,
                seen: 1000,
            },
        ),
        (
            "wrong",
            Wrong {
                rows: wrong,
                seen: 1000,
            },
        ),
        // The rows are there, and the listing says that they are not.
        (
            "truncated",
            Wrong {
                rows: whole,
                seen: 3,
            },
        ),
    ];
    for (name, table) in tables {
        // Each process has a budget of its own, and all of them together one account.
        tokio::time::sleep(Duration::from_secs(10)).await;
        cloud.simulator.forget_calls();
        let table: Arc<dyn DestinationRepo> = Arc::new(table);
        let process = cloud.process_over(name, Weather::default(), table);
        for _ in 0..3 {
            let report = process
                .reconciler
                .reconcile(Scope::All, Cause::Routine)
                .await
                .unwrap();
            assert!(2 < report.held, "{name}: {report:?}");
        }
        assert_eq!(enabled(&cloud), 20, "{name}");
        let written = cloud.written();
        assert!(written.is_empty(), "{name}: {written:?}");
    }
}
