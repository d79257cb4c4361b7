//! safetensors files: eight bytes of header length, a JSON header, then the values, little endian and row-major.

use crate::json::{self, Value};
use std::collections::BTreeMap;

pub type Tensors = BTreeMap<String, Tensor>;

/// An array as it lies in a file; `f32s` and the functions beside it convert it.
#[allow(dead_code)]
pub struct Tensor {
    /// F32, F64, I64, I16 or F16.
    pub dtype: String,
    pub shape: Vec<usize>,
    pub bytes: Vec<u8>,
}

#[allow(dead_code)]
impl Tensor {
    pub fn from_f32(shape: &[usize], values: &[f32]) -> Tensor {
        Tensor::new("F32", shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub fn from_f64(shape: &[usize], values: &[f64]) -> Tensor {
        Tensor::new("F64", shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub fn from_i64(shape: &[usize], values: &[i64]) -> Tensor {
        Tensor::new("I64", shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub fn from_i16(shape: &[usize], values: &[i16]) -> Tensor {
        Tensor::new("I16", shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    fn new(dtype: &str, shape: &[usize], bytes: Vec<u8>) -> Tensor {
        Tensor { dtype: dtype.to_string(), shape: shape.to_vec(), bytes }
    }

    /// The values of an F32 tensor, or of an F16 tensor widened.
    pub fn f32s(&self) -> Result<Vec<f32>, String> {
        match self.dtype.as_str() {
            "F32" => Ok(self.bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
            "F16" => Ok(self.bytes.chunks_exact(2).map(|b| widened(u16::from_le_bytes([b[0], b[1]]))).collect()),
            other => Err(format!("a tensor is {other}, expected F32")),
        }
    }

    /// The values of an F64 tensor, or of an F32 tensor widened.
    pub fn f64s(&self) -> Result<Vec<f64>, String> {
        match self.dtype.as_str() {
            "F64" => Ok(self.bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap())).collect()),
            _ => Ok(self.f32s()?.into_iter().map(f64::from).collect()),
        }
    }

    /// The values of an I64 tensor.
    pub fn i64s(&self) -> Result<Vec<i64>, String> {
        match self.dtype.as_str() {
            "I64" => Ok(self.bytes.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap())).collect()),
            other => Err(format!("a tensor is {other}, expected I64")),
        }
    }
}

/// IEEE half precision as single precision, exactly.
fn widened(half: u16) -> f32 {
    let (sign, exponent, fraction) = (u32::from(half >> 15) << 31, (half >> 10) & 31, u32::from(half & 1023));
    match exponent {
        0 => f32::from_bits(sign | (fraction as f32 / 16_777_216.0).to_bits()),
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (u32::from(exponent) + 112) << 23 | fraction << 13),
    }
}

pub fn read(path: &str) -> Result<Tensors, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let cut = || format!("{path} is no complete safetensors file");
    let length = bytes.get(..8).map(|b| u64::from_le_bytes(b.try_into().unwrap()) as usize).ok_or_else(cut)?;
    let data = 8usize.checked_add(length).filter(|at| *at <= bytes.len()).ok_or_else(cut)?;
    let header = json::parse(std::str::from_utf8(&bytes[8..data]).map_err(|_| cut())?)?;
    let Value::Object(entries) = &header else { return Err(cut()) };
    let mut tensors = Tensors::new();
    for (name, entry) in entries.iter().filter(|(name, _)| name != "__metadata__") {
        let numbers = |field: &str| -> Option<Vec<usize>> {
            entry.get(field)?.list()?.iter().map(|number| number.number().map(|value| value as usize)).collect()
        };
        let (shape, place) = (numbers("shape").ok_or_else(cut)?, numbers("data_offsets").ok_or_else(cut)?);
        let dtype = entry.get("dtype").and_then(Value::text).ok_or_else(cut)?.to_string();
        let values = place.first().zip(place.get(1)).and_then(|(from, to)| bytes.get(data + from..data + to));
        tensors.insert(name.clone(), Tensor { dtype, shape, bytes: values.ok_or_else(cut)?.to_vec() });
    }
    Ok(tensors)
}

pub fn write(path: &str, tensors: &Tensors) -> Result<(), String> {
    let mut at = 0;
    let mut entries = Vec::new();
    for (name, tensor) in tensors {
        let shape: Vec<String> = tensor.shape.iter().map(usize::to_string).collect();
        let end = at + tensor.bytes.len();
        entries.push(format!(
            "{}:{{\"dtype\":\"{}\",\"shape\":[{}],\"data_offsets\":[{at},{end}]}}",
            json::quoted(name),
            tensor.dtype,
            shape.join(",")
        ));
        at = end;
    }
    let mut header = format!("{{{}}}", entries.join(","));
    while header.len() % 8 != 0 {
        header.push(' ');
    }
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    for tensor in tensors.values() {
        bytes.extend_from_slice(&tensor.bytes);
    }
    std::fs::write(path, bytes).map_err(|error| format!("{path} cannot be written: {error}"))
}
