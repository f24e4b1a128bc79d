#include "core/config/yaml_tree.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include "core/config/yaml_text.h"

namespace dstream::core {
namespace {

// Leaves the parser from inside an event; caught by parse_yaml().
struct Refused {
  Error error;
};

bool starts_with_null_word(std::string_view text) {
  for (std::string_view word : {"null", "Null", "NULL", "~"}) {
    if (text.starts_with(word) &&
        (text.size() == word.size() ||
         std::string_view(" \t\r,]}#").find(text[word.size()]) != std::string_view::npos)) {
      return true;
    }
  }
  return false;
}

// Builds the tree from the parser's events, and stops it at the first broken limit.
class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(const std::string& file, const LineIndex& lines, const YamlLimits& limits)
      : file_(file), lines_(lines), limits_(limits) {}

  YamlNodePointer root() const { return root_; }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (++documents_ > 1) {
      refuse("DS-CONFIG-SYNTAX", place(mark), "A second document begins here.",
             "Keep one document a file: remove the line with three dashes.");
    }
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto node = std::make_shared<YamlNode>();
    std::string_view text = lines_.rest_of_line(mark.line, mark.column);
    node->mark = place(mark);
    if (starts_with_null_word(text)) {
      node->text = text.starts_with('~') ? "~" : text.substr(0, 4);
    } else if (!open_.empty() && open_.back().has_key) {
      node->mark = open_.back().key_mark;  // the parser stands at whatever follows
    }
    add(std::move(node), anchor);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (++aliases_ > limits_.aliases_max) {
      refuse("DS-CONFIG-ALIASES", place(mark),
             "The file uses more than " + std::to_string(limits_.aliases_max) + " aliases.");
    }
    auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      refuse("DS-CONFIG-ALIASES", place(mark), "The alias stands inside what it names.");
    }
    attach(found->second, place(mark));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    auto node = std::make_shared<YamlNode>();
    node->kind = YamlNode::Kind::kScalar;
    node->mark = place(mark);
    node->text = value;
    node->plain = tag == "?" || tag.empty();
    node->bytes = value.size();
    check_tag(tag, node->mark);
    if (!node->plain && !quote_closes(lines_.rest_of_text(mark.line, mark.column))) {
      refuse("DS-CONFIG-SYNTAX", node->mark, "The quote that opens here is never closed.");
    }
    add(std::move(node), anchor);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kSequence, place(mark), tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::kMap, place(mark), tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    std::shared_ptr<YamlNode> node;
    YAML::anchor_t anchor = YAML::NullAnchor;
    bool has_key = false;
    std::string key;
    Mark key_mark;
    std::map<std::string, Mark, std::less<>> keys;
    std::vector<std::pair<Mark, YamlNodePointer>> merges;
  };

  Mark place(const YAML::Mark& mark) const { return lines_.mark(mark.line, mark.column); }

  [[noreturn]] void refuse(const char* code, Mark mark, std::string message,
                           std::string hint = {}) const {
    throw Refused{config_error(code, file_, mark, std::move(message), std::move(hint))};
  }

  void check_tag(const std::string& tag, Mark mark) const {
    static constexpr std::string_view kCore = "tag:yaml.org,2002:";
    if (tag.empty() || tag == "?" || tag == "!" || tag == std::string(kCore) + "str" ||
        tag == std::string(kCore) + "seq" || tag == std::string(kCore) + "map") {
      return;
    }
    refuse("DS-CONFIG-SYNTAX", mark, "The tag \"" + tag + "\" means nothing here.",
           "Remove it; what a value is follows from its key.");
  }

  void open(YamlNode::Kind kind, Mark mark, const std::string& tag, YAML::anchor_t anchor) {
    check_tag(tag, mark);
    if (open_.size() >= limits_.depth_max) {
      refuse_depth(mark);
    }
    Open next;
    next.node = std::make_shared<YamlNode>();
    next.node->kind = kind;
    next.node->mark = mark;
    next.node->height = 1;
    next.anchor = anchor;
    open_.push_back(std::move(next));
  }

  [[noreturn]] void refuse_depth(Mark mark) const {
    refuse("DS-CONFIG-DEPTH", mark,
           "Mappings and lists nest more than " + std::to_string(limits_.depth_max) + " deep.");
  }

  void close() {
    Open done = std::move(open_.back());
    open_.pop_back();
    merge(done);
    add(std::move(done.node), done.anchor);
  }

  void add(std::shared_ptr<YamlNode> node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      anchors_[anchor] = node;
    }
    Mark mark = node->mark;
    attach(std::move(node), mark);
  }

  // Gives `node` to the mapping or list that is open, as key, value or item.
  void attach(YamlNodePointer node, Mark mark) {
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (parent.node->kind == YamlNode::Kind::kSequence) {
      charge(*parent.node, *node, mark);
      parent.node->items.push_back(std::move(node));
      return;
    }
    if (!parent.has_key) {
      take_key(parent, *node, mark);
      return;
    }
    parent.has_key = false;
    charge(*parent.node, *node, mark);
    if (parent.key == "<<") {
      parent.merges.emplace_back(parent.key_mark, std::move(node));
      return;
    }
    parent.node->entries.push_back({std::move(parent.key), parent.key_mark, std::move(node)});
  }

  void take_key(Open& parent, const YamlNode& node, Mark mark) {
    bool usable = node.kind == YamlNode::Kind::kScalar ||
                  (node.kind == YamlNode::Kind::kNull && !node.text.empty());
    if (!usable || node.text.size() > kKeyBytesMax) {
      refuse("DS-CONFIG-SYNTAX", mark,
             "A key must be plain text of at most " + std::to_string(kKeyBytesMax) + " bytes.");
    }
    auto [earlier, is_new] = parent.keys.emplace(node.text, mark);
    if (!is_new) {
      Place first{file_, earlier->second.line, earlier->second.column};
      refuse("DS-CONFIG-DUPLICATE-KEY", mark,
             "The key \"" + node.text + "\" stands twice; the first is at " + first.text() + ".",
             "Remove one of them.");
    }
    parent.node->bytes += node.text.size();
    parent.key = node.text;
    parent.key_mark = mark;
    parent.has_key = true;
  }

  // Adds what `child` comes to, aliases counted as copies.
  void charge(YamlNode& parent, const YamlNode& child, Mark mark) {
    parent.nodes += child.nodes;
    parent.bytes += child.bytes;
    parent.height = std::max(parent.height, child.height + 1);
    if (child.height + open_.size() > limits_.depth_max) {
      refuse_depth(mark);
    }
    if (parent.nodes > limits_.nodes_max || parent.bytes > limits_.expanded_bytes_max) {
      refuse("DS-CONFIG-ALIASES", mark,
             "With every alias replaced by what it names, the file would have more than " +
                 std::to_string(limits_.nodes_max) + " values or " +
                 std::to_string(limits_.expanded_bytes_max) + " bytes.");
    }
  }

  // `<<: *base` and `<<: [*a, *b]`: keys that the mapping does not have itself; earlier ones win.
  void merge(Open& done) {
    for (const auto& [mark, value] : done.merges) {
      std::vector<YamlNodePointer> bases = {value};
      if (value->kind == YamlNode::Kind::kSequence) {
        bases = value->items;
      }
      for (const YamlNodePointer& base : bases) {
        if (base->kind != YamlNode::Kind::kMap) {
          refuse("DS-CONFIG-SYNTAX", mark, "The merge key << needs a mapping, or a list of them.",
                 "Write <<: *name, with the anchor &name at the mapping to copy.");
        }
        for (const YamlEntry& entry : base->entries) {
          if (done.keys.emplace(entry.key, entry.key_mark).second) {
            done.node->entries.push_back(entry);
          }
        }
      }
    }
  }

  static constexpr size_t kKeyBytesMax = 1024;

  const std::string& file_;
  const LineIndex& lines_;
  const YamlLimits& limits_;
  int documents_ = 0;
  uint32_t aliases_ = 0;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, YamlNodePointer> anchors_;
  YamlNodePointer root_;
};

std::string sentence(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') {
    text[0] = static_cast<char>(text[0] - 'a' + 'A');
  }
  if (!text.ends_with('.')) {
    text += '.';
  }
  return text;
}

Error syntax_error(const std::string& file, const LineIndex& lines,
                   const YAML::ParserException& failure) {
  YAML::Mark mark = failure.mark;
  std::string_view line = lines.line(mark.line);
  std::string_view indent = line.substr(0, std::min(line.find_first_not_of(" \t"), line.size()));
  if (auto tab = indent.find('\t'); tab != std::string_view::npos) {
    return config_error("DS-CONFIG-TAB", file, lines.mark(mark.line, static_cast<int>(tab)),
                        "The line is indented with a tab.", "Indent with spaces.");
  }
  return config_error("DS-CONFIG-SYNTAX", file, lines.mark(mark.line, mark.column),
                      "The file is not YAML here: " + sentence(failure.msg),
                      "Look at the indentation and the quotes of this line and the one before.");
}

}  // namespace

const YamlEntry* YamlNode::find(std::string_view key) const {
  auto found = std::find_if(entries.begin(), entries.end(),
                            [&](const YamlEntry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &*found;
}

Error config_error(std::string code, const std::string& file, Mark mark, std::string message,
                   std::string hint) {
  return Error{std::move(code), std::move(message), std::move(hint),
               Place{file, mark.line, mark.column}, ExitCode::kUsage};
}

Result<YamlNodePointer> parse_yaml(const std::string& file, std::string_view text,
                                   const YamlLimits& limits) {
  LineIndex lines(text);
  if (auto checked = check_yaml_text(file, text, lines, limits.bytes_max); !checked) {
    return tl::unexpected(checked.error());
  }
  TreeBuilder builder(file, lines, limits);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refused& refused) {
    return fail(refused.error);
  } catch (const YAML::ParserException& failure) {
    return fail(syntax_error(file, lines, failure));
  } catch (const std::exception& failure) {
    return fail(config_error("DS-CONFIG-SYNTAX", file, {1, 1},
                             "The file cannot be read as YAML: " + sentence(failure.what())));
  }
  YamlNodePointer root = builder.root();
  if (!root || root->kind == YamlNode::Kind::kNull) {
    return fail(config_error("DS-CONFIG-EMPTY", file, {1, 1}, "The file holds no configuration.",
                             "dstream config example prints one to start from."));
  }
  return root;
}

}  // namespace dstream::core
