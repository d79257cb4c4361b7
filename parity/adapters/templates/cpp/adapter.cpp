// An adapter of rvc-parity: one JSON line for each request on stdin, one for each answer on stdout.
//
// Nothing else may be printed to stdout; logs go to stderr. stages.cpp is the file to complete.
#include <iostream>

#include "call.hpp"

static std::string text(const json::Value& request, const char* field) {
    const json::Value* value = request.get(field);
    if (!value || value->kind != json::Value::Text) throw std::runtime_error(std::string("the request has no ") + field);
    return value->text;
}

static void run_stage(const json::Value& request) {
    const std::string name = text(request, "stage");
    Stage stage = nullptr;
    for (const auto& row : STAGES)
        if (row.first == name) stage = row.second;
    if (!stage) throw Lacks("this adapter has no stage " + name);
    const json::Value* facts = request.get("case");
    Call call{text(request, "prefix"), facts ? *facts : json::Value{}, read_tensors(text(request, "inputs"))};
    write_tensors(text(request, "outputs"), stage(call));
}

static std::string answer(const json::Value& request) {
    const json::Value* number = request.get("id");
    const std::string id = "{\"id\":" + std::to_string(static_cast<long long>(number ? number->number : -1));
    const std::string op = text(request, "op");
    if (op == "hello") {
        std::string offered;
        for (const auto& row : STAGES)
            if (row.second) offered += (offered.empty() ? "" : ",") + json::quoted(row.first);
        return id + ",\"ok\":true,\"protocol\":\"rvc-parity/1\",\"name\":\"adapter.cpp\",\"version\":\"0.1\",\"stages\":[" +
               offered + "],\"chain\":false,\"dtypes\":[\"float32\"],\"noise\":true}";
    }
    try {
        if (op != "run_stage") throw Lacks("this adapter does not implement " + op);
        run_stage(request);
        return id + ",\"ok\":true}";
    } catch (const Lacks& why) {
        return id + ",\"ok\":false,\"lacks\":" + json::quoted(why.what()) + "}";
    } catch (const std::exception& why) {
        return id + ",\"ok\":false,\"error\":" + json::quoted(why.what()) + "}";
    }
}

int main() {
    for (std::string line; std::getline(std::cin, line);) {
        const json::Value request = json::parse(line);
        if (text(request, "op") == "bye") break;
        std::cout << answer(request) << std::endl;
    }
}
