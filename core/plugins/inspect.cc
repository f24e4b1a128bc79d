#include "core/plugins/inspect.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <sstream>
#include <string_view>

#include "core/plugins/guard.h"
#include "core/plugins/registry.h"

namespace dstream::core {
namespace {

using Poco::JSON::Array;
using Poco::JSON::Object;

Object::Ptr make_object() { return new Object(Poco::JSON_PRESERVE_KEY_ORDER); }

Object::Ptr describe(const dstream_connector& connector) {
  Object::Ptr out = make_object();
  bool is_source = connector.source != nullptr;
  out->set("id", connector.id);
  out->set("kind", is_source ? "source" : "sink");
  out->set("version", connector.version);
  out->set("summary", connector.summary);
  if (!is_source) {
    out->set("items", (connector.flags & DSTREAM_CONNECTOR_MESSAGES) != 0 ? "messages" : "records");
  }
  Poco::JSON::Parser parser(new Poco::JSON::ParseHandler(true));
  out->set("config_schema", parser.parse(connector.config_schema));
  return out;
}

std::string describe(const dstream_plugin& plugin, const std::string& file) {
  Object::Ptr out = make_object();
  out->set("file", file);
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0) {
    out->set("bytes", static_cast<int64_t>(status.st_size));
  }
  out->set("name", plugin.name);
  out->set("vendor", plugin.vendor);
  out->set("license", plugin.license);
  out->set("build", plugin.build);
  Object::Ptr abi = make_object();
  abi->set("major", DSTREAM_ABI_MAJOR);
  abi->set("minor", plugin.abi_minor);
  abi->set("minor_needed", plugin.abi_minor_needed);
  out->set("abi", abi);
  Array::Ptr connectors = new Array(Poco::JSON_PRESERVE_KEY_ORDER);
  for (uint32_t i = 0; i < plugin.connector_count; i++) {
    connectors->add(describe(*plugin.connectors[i]));
  }
  out->set("connectors", connectors);
  std::ostringstream text;
  out->stringify(text, 2);
  return text.str();
}

std::string describe(const Error& error) {
  Object::Ptr inner = make_object();
  inner->set("code", error.code);
  inner->set("message", error.message);
  inner->set("hint", error.hint);
  Object::Ptr out = make_object();
  out->set("error", inner);
  std::ostringstream text;
  out->stringify(text);
  return text.str();
}

void write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written <= 0) {
      return;  // the parent has gone, or given up
    }
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

Result<std::string> inspect_plugin_file(const std::string& file) {
  PluginRegistry registry;
  if (auto loaded = registry.load_file(file); !loaded) {
    return fail(loaded.error());
  }
  return describe(*registry.connectors().front().plugin, file);
}

bool is_inspect_child(int argc, const char* const* argv) {
  return argc == 3 && std::string_view(argv[1]) == kInspectCommand;
}

void inspect_child_main(const char* const* argv) {
  // The plugin may print, crash, or outlive its parent: none of it may disturb the answer.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  int answer = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  ::dup2(nowhere, STDOUT_FILENO);
  install_crash_reporter();
  auto result = inspect_plugin_file(argv[2]);
  write_all(answer, result ? *result : describe(result.error()));
  // No destructors: the library's are as foreign as its constructors.
  ::_exit(result ? 0 : 1);
}

}  // namespace dstream::core
