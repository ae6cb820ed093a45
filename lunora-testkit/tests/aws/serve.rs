//! The simulator over HTTP.

use std::{io, sync::Arc, time::Duration};

use lunora_testkit::{
    aws::{Modes, Request, Simulator},
    clock::ManualClock,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::{request, rtmp};

struct Server {
    address: std::net::SocketAddr,
    aws: Simulator,
}

impl Server {
    async fn start() -> Self {
        let aws = Simulator::new(Arc::new(ManualClock::default()), Modes::default());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(aws.clone().serve(listener));
        Self { address, aws }
    }

    /// Sends one request on a connection of its own; `None` if it ends without an answer.
    async fn send(&self, request: Request) -> Option<(u16, String, Value)> {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let query = request.query.map(|it| format!("?{it}")).unwrap_or_default();
        let head = format!(
            "{} {}{query} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            request.method,
            request.path,
            request.body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&request.body).await.unwrap();
        let mut text = String::new();
        match stream.read_to_string(&mut text).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return None,
            result => result.unwrap(),
        };
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let body = serde_json::from_str(body).unwrap_or(Value::Null);
        Some((status, head.to_ascii_lowercase(), body))
    }

    async fn own(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = Request {
            method: method.to_owned(),
            path: format!("/_simulator/{path}"),
            query: None,
            body: if body.is_null() {
                Vec::new()
            } else {
                body.to_string().into()
            },
        };
        let (status, _, body) = self.send(request).await.expect("an answer");
        (status, body)
    }
}

#[tokio::test]
async fn a_call_is_answered_as_in_the_process() {
    let server = Server::start().await;
    let flow = server.aws.running_flow("main");
    let add = json!({ "FlowArn": flow, "outputs": [rtmp("a")] });
    let (status, head, body) = server.send(request("AddFlowOutputs", add)).await.unwrap();
    assert_eq!(status, 201);
    assert!(head.contains("content-type: application/json"), "{head}");
    assert_eq!(body["outputs"][0]["name"], "a");

    let add = json!({ "FlowArn": flow, "outputs": [rtmp("b")] });
    let (status, head, body) = server.send(request("AddFlowOutputs", add)).await.unwrap();
    assert_eq!(status, 400);
    assert!(
        head.contains("x-amzn-errortype: badrequestexception"),
        "{head}"
    );
    assert_eq!(body["message"], "the flow is in status UPDATING");
    assert_eq!(server.aws.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_lost_answer_ends_the_connection() {
    let server = Server::start().await;
    let lost = json!({ "fault": "reply_lost", "operation": "ListFlows" });
    assert_eq!(server.own("POST", "faults", lost).await.0, 204);
    let list = || server.send(request("ListFlows", json!({})));
    assert!(list().await.is_none());
    assert_eq!(list().await.unwrap().0, 200);
}

#[tokio::test]
async fn a_slow_call_takes_its_time() {
    let server = Server::start().await;
    let slow = json!({ "fault": "slow", "milliseconds": 60_000 });
    assert_eq!(server.own("POST", "faults", slow).await.0, 204);
    let list = server.send(request("ListFlows", json!({})));
    // It has arrived, and is not answered.
    let short = Duration::from_millis(200);
    assert!(tokio::time::timeout(short, list).await.is_err());
    assert_eq!(server.aws.calls().len(), 1);
}

#[tokio::test]
async fn another_process_sees_and_changes_the_simulator() {
    let server = Server::start().await;
    let flow = server.aws.running_flow("main");
    let add = json!({ "FlowArn": flow, "outputs": [rtmp("a")] });
    server.send(request("AddFlowOutputs", add)).await.unwrap();
    let bad = json!({ "FlowArn": flow, "outputs": [{ "rtmpUrl": "x" }] });
    server.send(request("AddFlowOutputs", bad)).await.unwrap();

    let (_, calls) = server.own("GET", "calls", Value::Null).await;
    assert_eq!(calls[0]["operation"], "AddFlowOutputs");
    assert_eq!(calls[0]["items"], json!(["a"]));
    let (_, violations) = server.own("GET", "violations", Value::Null).await;
    assert_eq!(violations.as_array().unwrap().len(), 1);
    let health = json!({ "flow": flow, "output": "a", "health": "CONNECTED" });
    assert_eq!(server.own("PUT", "output-health", health).await.0, 204);
    let (_, outputs) = server.own("GET", "outputs", Value::Null).await;
    assert_eq!(outputs[0]["health"], "CONNECTED");
    assert!(!outputs.to_string().contains("key-a"));
    let (_, events) = server.own("GET", "events", Value::Null).await;
    assert_eq!(events[0]["detail-type"], "MediaConnect Flow Status Change");
    let signal = json!({ "video": "H.265", "audio": "AAC" });
    let source = json!({ "flow": flow, "source": "main", "signal": signal });
    assert_eq!(server.own("PUT", "sources", source).await.0, 204);
    let nowhere = json!({ "flow": flow, "source": "none" });
    assert_eq!(server.own("PUT", "sources", nowhere).await.0, 422);
    let wrong = json!({ "fault": "status", "status": 418 });
    assert_eq!(server.own("POST", "faults", wrong).await.0, 422);

    assert_eq!(server.own("POST", "reset", Value::Null).await.0, 204);
    assert_eq!(server.aws.outputs().len(), 0);
}

#[tokio::test]
async fn it_does_not_listen_where_others_reach_it() {
    let aws = Simulator::new(Arc::new(ManualClock::default()), Modes::default());
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let error = aws.serve(listener).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
}
