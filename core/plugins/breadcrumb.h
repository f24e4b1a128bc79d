// Which call of which plugin this thread is in, for the moment it crashes.
//
// Thread rule: a breadcrumb belongs to its thread.
#pragma once

#include <string>

namespace dstream::core {

// Alive for the length of one call. Nests; `plugin` and `call` are borrowed and outlive it.
class Breadcrumb {
 public:
  Breadcrumb(const char* plugin, const char* call) noexcept;
  // For a call that is known by its function only: the plugin is found from the address.
  Breadcrumb(const void* function, const char* call) noexcept;
  ~Breadcrumb();
  Breadcrumb(const Breadcrumb&) = delete;
  Breadcrumb& operator=(const Breadcrumb&) = delete;

 private:
  friend struct BreadcrumbTrail;
  const char* plugin_;
  const void* function_;
  const char* call_;
  const Breadcrumb* outer_;
};

// Remembers where the code of a loaded plugin lies, so that a crash in one of its own threads, or
// in release(), can be named as well. `inside` is any address of its; `name` is kept for ever.
void remember_plugin_code(const void* inside, const char* name);

}  // namespace dstream::core
