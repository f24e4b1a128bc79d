// The socket in the state folder by which commands talk to a running host.
//
// The folder may be deeper than the 107 bytes a socket's address has room for: the address goes
// through a descriptor of the folder.
//
// Thread rule: plain functions.
#pragma once

#include <string>

#include "core/base/error.h"

namespace dstream::host {

inline constexpr const char* kAdminSocketName = "admin.sock";

// A descriptor that closes with its owner; -1 is none.
class Descriptor {
 public:
  explicit Descriptor(int descriptor = -1) : descriptor_(descriptor) {}
  Descriptor(Descriptor&& other) noexcept : descriptor_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int get() const { return descriptor_; }
  int release();

 private:
  int descriptor_;
};

// Listens on `folder`/admin.sock, for its owner alone (mode 0600), and takes away what was there:
// REQUIRES that the caller holds the lock of the folder's admin interface, so that the socket is
// one of a process that is gone. Errors: DS-ADMIN-SOCKET.
core::Result<Descriptor> listen_in_folder(const std::string& folder);

// Errors: DS-ADMIN-NO-HOST if nobody listens there, DS-ADMIN-DENIED, DS-ADMIN-SOCKET.
core::Result<Descriptor> connect_in_folder(const std::string& folder);

}  // namespace dstream::host
