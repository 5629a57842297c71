//! Clients cannot fill the log, whatever they send. All that is not logged is counted.

use futures_util::future::join_all;
use sea_orm::ConnectionTrait;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Server, Store, eventually};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Returns an HTTP/2 frame (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns a request and its reset for each of many streams.
fn rapid_resets() -> Vec<u8> {
    // `:method: GET`, `:scheme: http`, `:path: /` and `:authority: x` (RFC 7541).
    let headers = [0x82, 0x86, 0x84, 0x41, 1, b'x'];
    let streams = (0..200_u32).map(|stream| 2 * stream + 1);
    let frames = streams.flat_map(|stream| {
        [frame(1, 0b101, stream, &headers), frame(3, 0, stream, &8_u32.to_be_bytes())].concat()
    });
    [PREFACE, &frame(4, 0, 0, &[])].concat().into_iter().chain(frames).collect()
}

/// Returns the number of lines that contain a text.
fn count(log: &str, text: &str) -> usize {
    log.lines().filter(|line| line.contains(text)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rapid_resets_leave_few_lines_and_are_counted() {
    let server = Server::start(Store::Sqlite).await;
    join_all((0..60).map(async |_| {
        let mut connection = TcpStream::connect(&server.address).await.unwrap();
        connection.write_all(&rapid_resets()).await.unwrap();
        // The server closes the connection. It may also reset it, because it has not read everything.
        let _ = connection.read_to_end(&mut Vec::new()).await;
    }))
    .await;
    let counted = async || server.metric("http_connections_aborted_total").await == Some(60.0);
    eventually("all connections are counted", counted).await;
    let line = server.log.wait_for_line("similar log lines were suppressed").await;
    assert!(line.contains("h2::proto::streams::recv"), "{line}");
    let lines = count(&server.log.text(), "streams reached limit");
    assert!((1..=4).contains(&lines), "{lines}");
    let suppressed = server.metric("log_lines_suppressed_total").await;
    assert_eq!(suppressed, Some(f64::from(u32::try_from(60 - lines).unwrap())));
}

/// The HTTP/2 library logs each acknowledgement of a ping that was not sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_frames_leave_few_lines() {
    let server = Server::start(Store::Sqlite).await;
    let mut connection = TcpStream::connect(&server.address).await.unwrap();
    connection.write_all(&[PREFACE, &frame(4, 0, 0, &[])].concat()).await.unwrap();
    connection.write_all(&frame(6, 1, 0, &[7; 8]).repeat(1000)).await.unwrap();
    let lines = || count(&server.log.text(), "recv PING ack");
    let suppressed = async || server.metric("log_lines_suppressed_total").await.unwrap();
    let counted = async || suppressed().await + f64::from(u32::try_from(lines()).unwrap()) >= 1000.0;
    eventually("all frames are counted", counted).await;
    assert!(lines() <= 4, "{}", lines());
}

/// Each failed request leaves a line, up to a limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_requests_leave_a_limited_number_of_lines() {
    let server = Server::start(Store::Sqlite).await;
    let database = server.direct_connection().await;
    database.execute_unprepared("ALTER TABLE product RENAME TO hidden").await.unwrap();
    let responses = join_all((0..500).map(|_| server.get("/products/1"))).await;
    assert!(responses.iter().all(|response| response.status == 503));
    let line = server.log.wait_for_line("similar log lines were suppressed").await;
    assert!(line.contains("stockmeter::app::middleware::error_log"), "{line}");
    let lines = count(&server.log.text(), "response failed");
    assert!((100..=200).contains(&lines), "{lines}");
}
