#include "host/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace dstream::host {
namespace {

constexpr int kBacklog = 16;

std::string reason(int number) { return std::generic_category().message(number); }

core::Error socket_error(const std::string& folder, int number) {
  return {"DS-ADMIN-SOCKET",
          "The admin socket in " + folder + " cannot be used: " + reason(number) + ".",
          {},
          std::nullopt,
          core::ExitCode::kFailed};
}

struct Address {
  sockaddr_un raw{};
  Descriptor folder;  // what the address leads through
};

core::Result<Address> address_in(const std::string& folder) {
  Address out;
  out.folder = Descriptor(open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (out.folder.get() < 0) {
    return core::fail(socket_error(folder, errno));
  }
  std::string path = "/proc/self/fd/" + std::to_string(out.folder.get()) + "/" + kAdminSocketName;
  out.raw.sun_family = AF_UNIX;
  path.copy(out.raw.sun_path, sizeof out.raw.sun_path - 1);
  return out;
}

Descriptor new_socket() {
  return Descriptor(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

const sockaddr* raw(const Address& address) {
  return reinterpret_cast<const sockaddr*>(&address.raw);
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    Descriptor old(std::exchange(descriptor_, other.release()));
  }
  return *this;
}

Descriptor::~Descriptor() {
  if (descriptor_ >= 0) {
    close(descriptor_);
  }
}

int Descriptor::release() { return std::exchange(descriptor_, -1); }

core::Result<Descriptor> listen_in_folder(const std::string& folder) {
  auto address = address_in(folder);
  if (!address) {
    return core::fail(address.error());
  }
  unlinkat(address->folder.get(), kAdminSocketName, 0);
  Descriptor listener = new_socket();
  // Nobody can connect before listen(), so nobody meets the mode of before.
  if (listener.get() < 0 || bind(listener.get(), raw(*address), sizeof address->raw) != 0 ||
      fchmodat(address->folder.get(), kAdminSocketName, 0600, 0) != 0 ||
      listen(listener.get(), kBacklog) != 0) {
    return core::fail(socket_error(folder, errno));
  }
  return listener;
}

core::Result<Descriptor> connect_in_folder(const std::string& folder) {
  core::Error none{"DS-ADMIN-NO-HOST", "No DStream runs on the state folder " + folder + ".",
                   "Name the folder of the running one with --state-dir, or its files.",
                   std::nullopt, core::ExitCode::kFailed};
  if (access(folder.c_str(), F_OK) != 0 && errno == ENOENT) {
    return core::fail(none);
  }
  auto address = address_in(folder);
  if (!address) {
    return core::fail(address.error());
  }
  Descriptor connection = new_socket();
  if (connection.get() < 0) {
    return core::fail(socket_error(folder, errno));
  }
  if (connect(connection.get(), raw(*address), sizeof address->raw) != 0) {
    if (errno == ENOENT || errno == ECONNREFUSED) {
      return core::fail(none);
    }
    if (errno == EACCES || errno == EPERM) {
      return core::fail(core::Error{
          "DS-ADMIN-DENIED", "The admin socket in " + folder + " belongs to another user.",
          "Call the command as the user who runs DStream.", std::nullopt, core::ExitCode::kFailed});
    }
    return core::fail(socket_error(folder, errno));
  }
  return connection;
}

}  // namespace dstream::host
