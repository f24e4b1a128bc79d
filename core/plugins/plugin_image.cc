#include "core/plugins/plugin_image.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>
#include <system_error>
#include <vector>

#include "dstream/abi.h"

namespace dstream::core {
namespace {

#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
#else
#error "Name the ELF machine number of this processor."
#endif

constexpr std::string_view kSymbol = "dstream_plugin_v1";
constexpr std::string_view kSymbolStem = "dstream_plugin_v";
// More than any real library has; keeps a corrupt table from costing time or memory.
constexpr uint64_t kSymbolsMax = 4'000'000;
constexpr uint64_t kProgramHeadersMax = 1024;

tl::unexpected<Error> truncated() {
  return fail("DS-PLUGIN-TRUNCATED",
              "The library is cut short: its headers point beyond the end of the file.",
              "Copy or install the plugin again.");
}

tl::unexpected<Error> not_a_library(const std::string& reason) {
  return fail("DS-PLUGIN-FORMAT",
              "The file is not a shared library this machine can load: " + reason + ".");
}

class File {
 public:
  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) {
      ::close(descriptor_);
    }
  }

  Result<void> open(const std::string& path) {
    // Without O_NONBLOCK a FIFO somebody named x.so would hold up the start for ever.
    descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status {};
    if (descriptor_ < 0 || ::fstat(descriptor_, &status) != 0) {
      return fail("DS-PLUGIN-FILE",
                  "The file cannot be opened: " + std::generic_category().message(errno) + ".");
    }
    if (!S_ISREG(status.st_mode)) {
      return fail("DS-PLUGIN-FILE", "It is not a regular file.");
    }
    size_ = static_cast<uint64_t>(status.st_size);
    return {};
  }

  uint64_t size() const { return size_; }
  bool contains(uint64_t offset, uint64_t size) const {
    return offset <= size_ && size <= size_ - offset;
  }
  // False if the range is not in the file or cannot be read.
  bool read(uint64_t offset, void* out, uint64_t size) const {
    if (!contains(offset, size)) {
      return false;
    }
    auto* at = static_cast<char*>(out);
    while (size > 0) {
      ssize_t got = ::pread(descriptor_, at, size, static_cast<off_t>(offset));
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got <= 0) {
        return false;
      }
      at += got;
      offset += static_cast<uint64_t>(got);
      size -= static_cast<uint64_t>(got);
    }
    return true;
  }
  template <class T>
  bool read(uint64_t offset, T& out) const {
    return read(offset, &out, sizeof out);
  }

 private:
  int descriptor_ = -1;
  uint64_t size_ = 0;
};

// What the dynamic loader would look at; section headers are only checked for being there.
class Elf {
 public:
  explicit Elf(const File& file) : file_(file) {}

  Result<void> read_headers();
  Result<void> read_dynamic();
  Result<PluginImage> find_descriptor() const;

 private:
  // Where the byte at `address` of the mapped library lies in the file, if `size` bytes do.
  std::optional<uint64_t> offset_of(uint64_t address, uint64_t size) const;
  std::optional<uint64_t> symbol_count() const;
  std::optional<uint64_t> gnu_symbol_count(uint64_t table) const;
  template <class T>
  bool read_at(uint64_t address, T& out) const {
    auto offset = offset_of(address, sizeof out);
    return offset && file_.read(*offset, out);
  }

  const File& file_;
  std::vector<Elf64_Phdr> segments_;
  uint64_t symbols_ = 0;
  uint64_t strings_ = 0;
  uint64_t strings_size_ = 0;
  uint64_t hash_ = 0;
  uint64_t gnu_hash_ = 0;
};

Result<void> Elf::read_headers() {
  Elf64_Ehdr header{};
  uint64_t present = file_.size() < sizeof header ? file_.size() : sizeof header;
  if (!file_.read(0, &header, present)) {
    return fail("DS-PLUGIN-FILE", "The file cannot be read.");
  }
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) {
    return present < SELFMAG ? Result<void>(truncated()) : not_a_library("it is not an ELF file");
  }
  if (present < sizeof header) {
    return truncated();
  }
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != kMachine) {
    return not_a_library("it is built for another processor");
  }
  if (header.e_type != ET_DYN || header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
      header.e_phnum > kProgramHeadersMax) {
    return not_a_library("it is an ELF file of another kind");
  }
  segments_.resize(header.e_phnum);
  if (!file_.read(header.e_phoff, segments_.data(), segments_.size() * sizeof(Elf64_Phdr))) {
    return truncated();
  }
  for (const Elf64_Phdr& segment : segments_) {
    if (segment.p_type != PT_NULL && !file_.contains(segment.p_offset, segment.p_filesz)) {
      return truncated();
    }
  }
  // The loader does not need the section headers, but they come last: a copy that broke off a few
  // bytes short is still a broken copy.
  if (header.e_shoff != 0 &&
      !file_.contains(header.e_shoff, uint64_t{header.e_shnum} * header.e_shentsize)) {
    return truncated();
  }
  return {};
}

Result<void> Elf::read_dynamic() {
  for (const Elf64_Phdr& segment : segments_) {
    if (segment.p_type != PT_DYNAMIC) {
      continue;
    }
    std::vector<Elf64_Dyn> entries(segment.p_filesz / sizeof(Elf64_Dyn));
    if (!file_.read(segment.p_offset, entries.data(), entries.size() * sizeof(Elf64_Dyn))) {
      return truncated();
    }
    for (const Elf64_Dyn& entry : entries) {
      if (entry.d_tag == DT_NULL) {
        break;
      }
      switch (entry.d_tag) {
        case DT_SYMTAB:
          symbols_ = entry.d_un.d_ptr;
          break;
        case DT_STRTAB:
          strings_ = entry.d_un.d_ptr;
          break;
        case DT_STRSZ:
          strings_size_ = entry.d_un.d_val;
          break;
        case DT_HASH:
          hash_ = entry.d_un.d_ptr;
          break;
        case DT_GNU_HASH:
          gnu_hash_ = entry.d_un.d_ptr;
          break;
        default:
          break;
      }
    }
    return {};
  }
  return not_a_library("it has no dynamic section");
}

std::optional<uint64_t> Elf::offset_of(uint64_t address, uint64_t size) const {
  for (const Elf64_Phdr& segment : segments_) {
    if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
        address - segment.p_vaddr <= segment.p_filesz &&
        size <= segment.p_filesz - (address - segment.p_vaddr)) {
      return segment.p_offset + (address - segment.p_vaddr);
    }
  }
  return std::nullopt;
}

// The ELF format stores no symbol count; the hash tables imply it.
std::optional<uint64_t> Elf::symbol_count() const {
  if (hash_ != 0) {
    uint32_t words[2] = {};
    return read_at(hash_, words) ? std::optional<uint64_t>(words[1]) : std::nullopt;
  }
  return gnu_hash_ != 0 ? gnu_symbol_count(gnu_hash_) : std::nullopt;
}

std::optional<uint64_t> Elf::gnu_symbol_count(uint64_t table) const {
  struct {
    uint32_t bucket_count, first_symbol, bloom_words, bloom_shift;
  } header{};
  if (!read_at(table, header) || header.bucket_count > kSymbolsMax) {
    return std::nullopt;
  }
  uint64_t buckets = table + sizeof header + uint64_t{header.bloom_words} * sizeof(uint64_t);
  uint64_t buckets_size = uint64_t{header.bucket_count} * sizeof(uint32_t);
  uint64_t chains = buckets + buckets_size;
  auto buckets_offset = offset_of(buckets, buckets_size);
  std::vector<uint32_t> heads(header.bucket_count);
  if (!buckets_offset || !file_.read(*buckets_offset, heads.data(), buckets_size)) {
    return std::nullopt;
  }
  uint32_t last = heads.empty() ? 0 : *std::max_element(heads.begin(), heads.end());
  if (last < header.first_symbol) {
    return header.first_symbol;
  }
  // The chain of the last bucket ends at the last symbol, marked by its lowest bit.
  for (uint64_t symbol = last; symbol < kSymbolsMax; symbol++) {
    uint32_t link = 0;
    if (!read_at(chains + (symbol - header.first_symbol) * sizeof link, link)) {
      return std::nullopt;
    }
    if ((link & 1) != 0) {
      return symbol + 1;
    }
  }
  return std::nullopt;
}

Result<PluginImage> Elf::find_descriptor() const {
  auto count = symbol_count();
  if (!count || *count > kSymbolsMax || symbols_ == 0) {
    return not_a_library("its symbol table is damaged");
  }
  auto symbols_offset = offset_of(symbols_, *count * sizeof(Elf64_Sym));
  auto strings_offset = offset_of(strings_, strings_size_);
  if (!symbols_offset || !strings_offset) {
    return not_a_library("its symbol table is damaged");
  }
  std::vector<Elf64_Sym> symbols(*count);
  std::string strings(strings_size_, '\0');
  if (!file_.read(*symbols_offset, symbols.data(), symbols.size() * sizeof(Elf64_Sym)) ||
      !file_.read(*strings_offset, strings.data(), strings.size())) {
    return truncated();
  }
  std::string other_version;
  for (const Elf64_Sym& symbol : symbols) {
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_name >= strings.size()) {
      continue;
    }
    std::string_view name(strings.c_str() + symbol.st_name);
    if (name == kSymbol) {
      PluginImage image;
      if (!read_at(symbol.st_value, image)) {
        return not_a_library("dstream_plugin_v1 is not constant data");
      }
      return image;
    }
    if (name.substr(0, kSymbolStem.size()) == kSymbolStem) {
      other_version = name;
    }
  }
  if (!other_version.empty()) {
    return fail("DS-PLUGIN-ABI-MAJOR",
                "The plugin offers " + other_version + " only; this host needs dstream_plugin_v1.",
                "Install the plugin's build for this version of DStream, or a newer DStream.");
  }
  return fail("DS-PLUGIN-SYMBOL", "The library has no symbol dstream_plugin_v1: it is no plugin.",
              "Keep libraries that are no plugins out of the plugin folder.");
}

}  // namespace

Result<PluginImage> read_plugin_image(const std::string& file) {
  File opened;
  if (auto result = opened.open(file); !result) {
    return fail(result.error());
  }
  Elf elf(opened);
  if (auto result = elf.read_headers(); !result) {
    return fail(result.error());
  }
  if (auto result = elf.read_dynamic(); !result) {
    return fail(result.error());
  }
  auto image = elf.find_descriptor();
  if (image) {
    if (auto result = check_plugin_image(*image); !result) {
      return fail(result.error());
    }
  }
  return image;
}

Result<void> check_plugin_image(const PluginImage& image) {
  if (image.magic != DSTREAM_MAGIC) {
    return fail("DS-PLUGIN-MAGIC", "dstream_plugin_v1 does not start with DSTREAM_MAGIC.",
                "Define it as struct dstream_plugin of dstream/abi.h.");
  }
  if (image.struct_size < sizeof(dstream_plugin)) {
    return fail("DS-PLUGIN-STRUCT-SIZE", "dstream_plugin_v1 says it is " +
                                             std::to_string(image.struct_size) +
                                             " bytes; version 1.0 of the ABI has " +
                                             std::to_string(sizeof(dstream_plugin)) + ".");
  }
  if (image.abi_minor_needed > DSTREAM_ABI_MINOR) {
    return fail("DS-PLUGIN-ABI-MINOR",
                "The plugin needs ABI 1." + std::to_string(image.abi_minor_needed) +
                    "; this host has 1." + std::to_string(DSTREAM_ABI_MINOR) + ".",
                "Install a newer DStream.");
  }
  return {};
}

}  // namespace dstream::core
