#include "core/config/file_schema.h"

#include <Poco/JSON/Array.h>

#include "core/base/assert.h"
#include "core/config/schema_texts.h"

namespace dstream::core {
namespace {

JsonObject must_parse(const char* text) {
  auto view = SchemaView::parse(text);
  DSTREAM_ASSERT(view.has_value());
  return view->document();
}

SchemaView make_view(const JsonObject& document) {
  auto view = SchemaView::parse(Json::toString(Json(document)));
  DSTREAM_ASSERT(view.has_value());
  return *view;
}

SchemaView make_file_schema(FileShape shape) {
  JsonObject pipeline = must_parse(kPipelineSchemaText);
  if (shape == FileShape::kPipeline) {
    return make_view(pipeline);
  }
  JsonObject definitions = new Poco::JSON::Object;
  definitions->set("pipeline", pipeline);
  JsonObject root = must_parse(kFileSchemaText);
  if (shape == FileShape::kPipelineList) {
    JsonObject reference = new Poco::JSON::Object;
    reference->set("$ref", "#/definitions/pipeline");
    root = new Poco::JSON::Object;
    root->set("type", "array");
    root->set("items", reference);
  }
  root->set("definitions", definitions);
  return make_view(root);
}

JsonObject topic_schema() { return must_parse(kTopicSchemaText); }

// References inside a schema that moves to `base` in another document.
void move_references(const Json& schema, const std::string& base) {
  if (schema.type() == typeid(Poco::JSON::Array::Ptr)) {
    for (const Json& item : *schema.extract<Poco::JSON::Array::Ptr>()) {
      move_references(item, base);
    }
  } else if (schema.type() == typeid(JsonObject)) {
    JsonObject object = schema.extract<JsonObject>();
    for (const std::string& name : object->getNames()) {
      Json value = object->get(name);
      if (name == "$ref" && value.isString() && value.toString().starts_with("#")) {
        object->set(name, base + value.toString().substr(1));
      } else {
        move_references(value, base);
      }
    }
  }
}

// `owner`, a `source:` or `sink:`, may be of the type `id`, and then has the keys of `definition`.
void add_connector(JsonObject owner, const std::string& id, const std::string& definition) {
  JsonObject type = owner->getObject("properties")->getObject("type");
  if (!type->has("enum")) {
    type->set("enum", Poco::JSON::Array::Ptr(new Poco::JSON::Array));
    owner->set("allOf", Poco::JSON::Array::Ptr(new Poco::JSON::Array));
  }
  type->getArray("enum")->add(id);
  SchemaView rule =
      make_view(must_parse((R"({"if": {"properties": {"type": {"const": ")" + id +
                            R"("}}}, "then": {"$ref": "#/definitions/)" + definition + R"("}})")
                               .c_str()));
  owner->getArray("allOf")->add(rule.document());
}

}  // namespace

const SchemaView& file_schema(FileShape shape) {
  static const SchemaView kWhole = make_file_schema(FileShape::kWhole);
  static const SchemaView kList = make_file_schema(FileShape::kPipelineList);
  static const SchemaView kOne = make_file_schema(FileShape::kPipeline);
  switch (shape) {
    case FileShape::kPipelineList:
      return kList;
    case FileShape::kPipeline:
      return kOne;
    case FileShape::kWhole:
      break;
  }
  return kWhole;
}

Result<SchemaView> connector_schema(const LoadedConnector& connector) {
  auto view = SchemaView::parse(connector.connector->config_schema);
  if (!view) {
    Error error = view.error();
    error.message =
        std::string(connector.connector->id) + " (" + connector.file + "): " + error.message;
    return fail(error);
  }
  JsonObject own = view->document();
  JsonObject properties = new Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER);
  JsonObject type = new Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER);
  type->set("description", std::string("Chooses this connector."));
  type->set("type", std::string("string"));
  type->set("const", std::string(connector.connector->id));
  properties->set("type", type);
  if (!connector.is_source() && connector.wants_messages()) {
    properties->set("topic", topic_schema());
  }
  if (own->isObject("properties")) {
    JsonObject keys = own->getObject("properties");
    for (const std::string& key : keys->getNames()) {
      if (key != "type") {
        properties->set(key, keys->get(key));
      }
    }
  }
  own->set("properties", properties);
  if (!own->has("additionalProperties")) {
    own->set("additionalProperties", false);
  }
  return view;
}

bool connector_knows_topic(const LoadedConnector& connector) {
  auto view = SchemaView::parse(connector.connector->config_schema);
  return view && view->document()->isObject("properties") &&
         view->document()->getObject("properties")->has("topic");
}

Result<JsonObject> composed_schema(const PluginRegistry& plugins) {
  JsonObject whole =
      deep_copy(Json(file_schema(FileShape::kWhole).document())).extract<JsonObject>();
  JsonObject definitions = whole->getObject("definitions");
  JsonObject pipeline = definitions->getObject("pipeline")->getObject("properties");
  for (const LoadedConnector& loaded : plugins.connectors()) {
    auto view = connector_schema(loaded);
    if (!view) {
      return tl::unexpected(view.error());
    }
    const char* side = loaded.is_source() ? "source" : "sink";
    std::string id = loaded.connector->id;
    std::string name = std::string(side) + "-" + id;
    JsonObject part = deep_copy(Json(view->document())).extract<JsonObject>();
    move_references(Json(part), "#/definitions/" + name);
    part->set("description", std::string(loaded.connector->summary));
    definitions->set(name, part);

    add_connector(pipeline->getObject(side), id, name);
    if (!loaded.is_source() && loaded.wants_messages()) {
      add_connector(pipeline->getObject("dead_letter")->getObject("properties")->getObject("sink"),
                    id, name);
    }
  }
  return whole;
}

}  // namespace dstream::core
