//! An adapter of rvc-parity: one JSON line for each request on stdin, one for each answer on stdout.
//!
//! Nothing else may be printed to stdout; logs go to stderr. `stages.rs` is the file to complete.

mod json;
mod safetensors;
mod stages;

use json::Value;
use safetensors::{Tensor, Tensors};
use std::io::{BufRead, Write};

/// Why a request has no result.
pub enum Failure {
    /// The stage failed; the judge counts it as a failure.
    Error(String),
    /// The stage does not exist for this case; the judge counts it as not tested.
    Lacks(String),
}

impl From<String> for Failure {
    fn from(sentence: String) -> Self {
        Failure::Error(sentence)
    }
}

/// One request of a stage.
pub struct Call {
    /// Where the stage runs: "" for the file, "seg0." for a segment, "rt.0." for a block of a stream.
    pub prefix: String,
    /// The field `case`: name, profile, options, voice and files.
    pub case: Value,
    /// The tensors that the stage reads, by full name.
    pub inputs: Tensors,
}

impl Call {
    /// The full name of a tensor of this stage.
    pub fn name(&self, local: &str) -> String {
        format!("{}{}", self.prefix, local)
    }

    /// An input under this stage's prefix, or of the whole file.
    pub fn input(&self, local: &str) -> Result<&Tensor, String> {
        self.find(local).ok_or(format!("the inputs hold no {}", self.name(local)))
    }

    /// An input that a case may lack.
    pub fn find(&self, local: &str) -> Option<&Tensor> {
        self.inputs.get(&self.name(local)).or_else(|| self.inputs.get(local))
    }

    /// A number among the options of the case, such as "protect".
    #[allow(dead_code)]
    pub fn option(&self, name: &str) -> Option<f64> {
        self.case.get("options")?.get(name)?.number()
    }

    /// The path of a weight file by its role: voice, hubert, rmvpe_tensors, index_tensors, …
    #[allow(dead_code)]
    pub fn file(&self, role: &str) -> Result<&str, String> {
        let path = self.case.get("files").and_then(|files| files.get(role)).and_then(Value::text);
        path.ok_or(format!("the case has no file {role}"))
    }
}

fn text(request: &Value, field: &str) -> Result<String, String> {
    let found = request.get(field).and_then(Value::text);
    found.map(str::to_string).ok_or(format!("the request has no {field}"))
}

fn run_stage(request: &Value) -> Result<(), Failure> {
    let name = text(request, "stage")?;
    let stage = stages::STAGES.iter().find(|(known, _)| *known == name).and_then(|(_, function)| *function);
    let stage = stage.ok_or_else(|| Failure::Lacks(format!("this adapter has no stage {name}")))?;
    let call = Call {
        prefix: text(request, "prefix")?,
        case: request.get("case").cloned().unwrap_or(Value::Null),
        inputs: safetensors::read(&text(request, "inputs")?)?,
    };
    let outputs = stage(&call)?;
    safetensors::write(&text(request, "outputs")?, &outputs)?;
    Ok(())
}

fn answer(request: &Value) -> String {
    let id = request.get("id").and_then(Value::number).unwrap_or(-1.0);
    match request.get("op").and_then(Value::text).unwrap_or("") {
        "hello" => {
            let offered: Vec<String> =
                stages::STAGES.iter().filter(|(_, made)| made.is_some()).map(|(name, _)| json::quoted(name)).collect();
            format!(
                "{{\"id\":{id},\"ok\":true,\"protocol\":\"rvc-parity/1\",\"name\":\"adapter.rs\",\"version\":\"0.1\",\
                 \"stages\":[{}],\"chain\":false,\"dtypes\":[\"float32\"],\"noise\":true}}",
                offered.join(",")
            )
        }
        "run_stage" => match run_stage(request) {
            Ok(()) => format!("{{\"id\":{id},\"ok\":true}}"),
            Err(Failure::Error(why)) => format!("{{\"id\":{id},\"ok\":false,\"error\":{}}}", json::quoted(&why)),
            Err(Failure::Lacks(why)) => format!("{{\"id\":{id},\"ok\":false,\"lacks\":{}}}", json::quoted(&why)),
        },
        other => {
            let why = format!("this adapter does not implement {other}");
            format!("{{\"id\":{id},\"ok\":false,\"lacks\":{}}}", json::quoted(&why))
        }
    }
}

fn main() {
    let mut stdout = std::io::stdout();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("stdin cannot be read");
        let request = json::parse(&line).expect("a request is one line of JSON");
        if request.get("op").and_then(Value::text) == Some("bye") {
            break;
        }
        writeln!(stdout, "{}", answer(&request)).and_then(|()| stdout.flush()).expect("stdout cannot be written");
    }
}
