// What a descriptor must look like before any function it points to is called.
#include <Poco/JSON/Parser.h>

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "core/plugins/plugin_image.h"
#include "core/plugins/registry.h"
#include "core/plugins/text.h"

namespace dstream::core {
namespace {

constexpr size_t kIdBytesMax = 64;
constexpr size_t kNameBytesMax = 256;
constexpr size_t kSummaryBytesMax = 1024;
constexpr size_t kSchemaBytesMax = 1024 * 1024;
constexpr uint32_t kConnectorsMax = 64;

tl::unexpected<Error> bad(std::string message, std::string hint = {}) {
  return fail("DS-PLUGIN-DESCRIPTOR", std::move(message), std::move(hint));
}

enum class Empty { kRefused, kAllowed };

// `what` completes "The ... of the plugin" for the message.
Result<std::string_view> check_text(const char* text, const std::string& what, size_t bytes_max,
                                    Empty empty = Empty::kRefused) {
  if (text == nullptr) {
    return bad("The " + what + " is NULL.");
  }
  size_t size = strnlen(text, bytes_max + 1);
  if (size > bytes_max) {
    return bad("The " + what + " is longer than " + std::to_string(bytes_max) + " bytes.");
  }
  if (size == 0 && empty == Empty::kRefused) {
    return bad("The " + what + " is empty.");
  }
  std::string_view view(text, size);
  if (!is_utf8(view)) {
    return bad("The " + what + " is not UTF-8.");
  }
  return view;
}

Result<void> check_id(const char* id) {
  auto text = check_text(id, "id of a connector", kIdBytesMax);
  if (!text) {
    return fail(text.error());
  }
  for (char c : *text) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.')) {
      return bad("The connector id \"" + printable(*text) +
                 "\" has a character other than a-z, "
                 "0-9, '-' and '.'.");
    }
  }
  return {};
}

Result<void> check_schema(const std::string& id, const char* schema) {
  auto text = check_text(schema, "config_schema of connector " + id, kSchemaBytesMax);
  if (!text) {
    return fail(text.error());
  }
  std::string reason = "it is not a JSON object";
  try {
    Poco::JSON::Parser parser;
    if (parser.parse(std::string(*text)).type() == typeid(Poco::JSON::Object::Ptr)) {
      return {};
    }
  } catch (const Poco::Exception& error) {
    reason = error.displayText();
  }
  return fail("DS-PLUGIN-SCHEMA",
              "The config_schema of connector " + id + " is not a JSON Schema: " + reason + ".");
}

struct Required {
  const char* name;
  bool present;
};

Result<void> check_table(const std::string& id, const char* kind, uint32_t size, size_t size_min,
                         const std::vector<Required>& functions) {
  if (size < size_min) {
    return bad("The " + std::string(kind) + " table of connector " + id + " says it is " +
               std::to_string(size) + " bytes; version 1.0 of the ABI has " +
               std::to_string(size_min) + ".");
  }
  for (const Required& function : functions) {
    if (!function.present) {
      return bad("The " + std::string(kind) + " table of connector " + id + " has no " +
                 function.name + "().");
    }
  }
  return {};
}

Result<void> check_tables(const dstream_connector& connector) {
  std::string id = connector.id;
  if ((connector.source == nullptr) == (connector.sink == nullptr)) {
    return bad("Connector " + id + " must set exactly one of source and sink.");
  }
  if (const dstream_source_api* table = connector.source; table != nullptr) {
    if ((connector.flags & DSTREAM_CONNECTOR_MESSAGES) != 0) {
      return bad("Connector " + id +
                 " is a source and sets DSTREAM_CONNECTOR_MESSAGES, which is "
                 "for sinks.");
    }
    // The size comes first: in a smaller table the functions are not there to be looked at.
    if (table->struct_size < sizeof *table) {
      return check_table(id, "source", table->struct_size, sizeof *table, {});
    }
    return check_table(id, "source", table->struct_size, sizeof *table,
                       {{"create", table->create != nullptr},
                        {"open", table->open != nullptr},
                        {"read", table->read != nullptr},
                        {"request_stop", table->request_stop != nullptr},
                        {"close", table->close != nullptr},
                        {"destroy", table->destroy != nullptr}});
  }
  const dstream_sink_api* table = connector.sink;
  if (table->struct_size < sizeof *table) {
    return check_table(id, "sink", table->struct_size, sizeof *table, {});
  }
  return check_table(id, "sink", table->struct_size, sizeof *table,
                     {{"create", table->create != nullptr},
                      {"open", table->open != nullptr},
                      {"write", table->write != nullptr},
                      {"flush", table->flush != nullptr},
                      {"request_stop", table->request_stop != nullptr},
                      {"close", table->close != nullptr},
                      {"destroy", table->destroy != nullptr}});
}

Result<void> check_connector(const dstream_connector* connector) {
  if (connector == nullptr) {
    return bad("A connector is NULL.");
  }
  if (connector->struct_size < sizeof *connector) {
    return bad("A connector says it is " + std::to_string(connector->struct_size) +
               " bytes; version 1.0 of the ABI has " + std::to_string(sizeof *connector) + ".");
  }
  if (auto result = check_id(connector->id); !result) {
    return result;
  }
  std::string id = connector->id;
  if (auto text = check_text(connector->version, "version of connector " + id, kNameBytesMax);
      !text) {
    return fail(text.error());
  }
  if (auto text = check_text(connector->summary, "summary of connector " + id, kSummaryBytesMax);
      !text) {
    return fail(text.error());
  }
  if (auto result = check_schema(id, connector->config_schema); !result) {
    return result;
  }
  return check_tables(*connector);
}

Result<void> check_plugin_texts(const dstream_plugin& plugin) {
  struct Text {
    const char* text;
    const char* what;
    Empty empty;
  };
  for (const Text& each : {Text{plugin.name, "name of the plugin", Empty::kRefused},
                           Text{plugin.vendor, "vendor of the plugin", Empty::kRefused},
                           Text{plugin.license, "license of the plugin", Empty::kRefused},
                           Text{plugin.build, "build text of the plugin", Empty::kAllowed}}) {
    if (auto text = check_text(each.text, each.what, kNameBytesMax, each.empty); !text) {
      return fail(text.error());
    }
  }
  return {};
}

}  // namespace

Result<void> check_descriptor(const dstream_plugin& plugin) {
  PluginImage image{plugin.magic, plugin.struct_size, plugin.abi_minor, plugin.abi_minor_needed};
  if (auto result = check_plugin_image(image); !result) {
    return result;
  }
  if (auto result = check_plugin_texts(plugin); !result) {
    return result;
  }
  if (plugin.connectors == nullptr || plugin.connector_count == 0) {
    return bad("The plugin offers no connector.");
  }
  if (plugin.connector_count > kConnectorsMax) {
    return bad("The plugin says it has " + std::to_string(plugin.connector_count) +
               " connectors; at most " + std::to_string(kConnectorsMax) + " are allowed.");
  }
  for (uint32_t i = 0; i < plugin.connector_count; i++) {
    if (auto result = check_connector(plugin.connectors[i]); !result) {
      return result;
    }
    for (uint32_t k = 0; k < i; k++) {
      if (same_kind_and_id(*plugin.connectors[i], *plugin.connectors[k])) {
        return fail("DS-PLUGIN-DUPLICATE", "The plugin offers connector " +
                                               std::string(plugin.connectors[i]->id) + " twice.");
      }
    }
  }
  return {};
}

bool same_kind_and_id(const dstream_connector& a, const dstream_connector& b) {
  return (a.source != nullptr) == (b.source != nullptr) && std::strcmp(a.id, b.id) == 0;
}

}  // namespace dstream::core
