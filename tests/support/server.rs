//! The server's threads: one that accepts, one for each connection; all of them end when the server is dropped.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use super::{
    answers,
    http::{self, Request},
    script::{Effect, Reply},
    world::{Arrival, Place, State, now_us},
};

/// A listening endpoint over a shared state.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Server {
    /// Starts to listen on 127.0.0.1; port 0 means any.
    pub(crate) fn start(port: u16, state: Arc<Mutex<State>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the stand-in's port can be bound");
        let address = listener.local_addr().expect("a bound listener has an address");
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let acceptor = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if flag.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (state, flag) = (Arc::clone(&state), Arc::clone(&flag));
                std::thread::spawn(move || serve(stream, &state, &flag, address));
            }
        });
        Self { address, stop, acceptor: Some(acceptor) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&self.stop, self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ended = acceptor.join();
        }
    }
}

/// Raises the flag and wakes the thread that accepts.
fn end(stop: &AtomicBool, address: SocketAddr) {
    stop.store(true, Ordering::SeqCst);
    let _woken = TcpStream::connect_timeout(&address, Duration::from_millis(200));
}

fn serve(mut stream: TcpStream, state: &Mutex<State>, stop: &AtomicBool, address: SocketAddr) {
    let _quick = stream.set_nodelay(true);
    let mut rest = Vec::new();
    while let Some(request) = http::read_request(&mut stream, &mut rest, stop) {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let (index, keep) = answer(&mut stream, state, stop, address, &request);
        if !keep {
            drop(stream);
            state.lock().expect("the state is whole").log[index].ended_us = Some(now_us());
            return;
        }
    }
}

/// Treats one request; returns its place in the log and whether the connection goes on.
fn answer(
    stream: &mut TcpStream,
    state: &Mutex<State>,
    stop: &AtomicBool,
    address: SocketAddr,
    request: &Request,
) -> (usize, bool) {
    let call = Call::of(request);
    let request_id;
    let index;
    let act = {
        let mut state = state.lock().expect("the state is whole");
        request_id = format!("d8e6c9a3-1f4b-4c5d-8e7f-{:012x}", state.next());
        index = state.log.len();
        state.log.push(Arrival {
            at_us: now_us(),
            ended_us: None,
            operation: call.operation.clone(),
            region: call.place.0.clone(),
            access_key_id: call.access_key_id.clone(),
            name: call.place.1.clone(),
            agent: request.header("user-agent").to_owned(),
            body: call.body.clone(),
            request_id: request_id.clone(),
        });
        if state.expired || state.denied.contains(&call.operation) {
            let answer = answers::refused(&mut state, &call, &request_id);
            state.log[index].ended_us = Some(now_us());
            drop(state);
            http::write_answer(stream, &answer);
            return (index, true);
        }
        state.act(&call.operation, &call.place.1)
    };
    std::thread::sleep(act.delay);
    let reply = {
        let mut state = state.lock().expect("the state is whole");
        let operation = if act.effect == Effect::Nothing { None } else { state.apply(act.effect, &call.place) };
        if let Some(side) = &act.side {
            side(&mut state);
        }
        answers::answer(&mut state, &call, &act, operation, &request_id)
    };
    if act.vanish_server {
        // First everything else goes away, so that nobody slips onto a connection that is about to be closed.
        end(stop, address);
        std::thread::sleep(Duration::from_millis(80));
    }
    let keep = match reply {
        Some(answer) => {
            // Ended before the client can see the answer, so that its next request never seems to overlap.
            state.lock().expect("the state is whole").log[index].ended_us = Some(now_us());
            http::write_answer(stream, &answer);
            true
        }
        None => {
            if matches!(act.reply, Reply::Hang) {
                http::hang(stream, stop);
            }
            false
        }
    };
    (index, keep && !act.vanish_server)
}

/// A request, understood.
#[derive(Debug)]
pub(crate) struct Call {
    access_key_id: String,
    pub(crate) operation: String,
    pub(crate) place: Place,
    pub(crate) body: String,
    pub(crate) json: serde_json::Value,
}

impl Call {
    fn of(request: &Request) -> Self {
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let json: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
        let target = request.header("x-amz-target");
        let operation = match target.rsplit_once('.') {
            Some((_, operation)) => operation.to_owned(),
            None => {
                let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
                action.unwrap_or("Unknown").to_owned()
            }
        };
        let scope = request.header("authorization");
        let scope = scope.split_once("Credential=").map_or("", |(_, rest)| rest);
        let access_key_id = scope.split('/').next().unwrap_or_default().to_owned();
        let region = scope.split('/').nth(2).unwrap_or("unsigned").to_owned();
        let field = |key: &str| json.get(key).and_then(serde_json::Value::as_str).map(str::to_owned);
        let name = field("keyPairName").or_else(|| field("resourceName")).or_else(|| field("operationId"));
        Self { access_key_id, operation, place: (region, name.unwrap_or_default()), body, json }
    }
}
