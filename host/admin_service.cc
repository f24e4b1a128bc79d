#include "host/admin_service.h"

#include <unistd.h>

#include <utility>

namespace dstream::host {

AdminService::AdminService(const AdminSettings& settings, core::FileSystem* files, core::Log* log)
    : state_dir_(settings.state_dir),
      files_(files),
      log_(log),
      admin_(settings),
      server_([this](const HttpRequest& request) { return admin_.answer(request); },
              settings.clock) {}

core::Result<Descriptor> AdminService::own_socket() {
  if (auto made = files_->make_folders(state_dir_); !made) {
    return core::fail(made.error());
  }
  auto lock = files_->lock(state_dir_ + "/admin.lock");
  if (!lock && lock.error().code == "DS-FILE-LOCKED") {
    return core::fail(
        "DS-ADMIN-SOCKET",
        "Another DStream runs on the state folder " + state_dir_ + "; commands reach that one.",
        "Give each a state folder of its own.");
  }
  if (!lock) {
    return core::fail(lock.error());
  }
  lock_ = std::move(*lock);
  return listen_in_folder(state_dir_);
}

core::Result<void> AdminService::start(const std::string& listen) {
  if (auto socket = own_socket()) {
    server_.add_listener(std::move(*socket), true);
  } else {
    log_->write(core::LogLevel::kWarn, "Commands cannot reach this host: " + socket.error().message,
                {{"code", socket.error().code}, {"hint", socket.error().hint}});
  }
  if (!listen.empty()) {
    auto listener = listen_on(listen);
    if (!listener) {
      return core::fail(listener.error());
    }
    log_->write(core::LogLevel::kInfo, "The admin interface listens.",
                {{"address", bound_address(*listener)}});
    server_.add_listener(std::move(*listener), false);
  }
  server_.start();
  return {};
}

bool AdminService::stop() {
  if (!server_.stop(kStopTimeoutMs)) {
    log_->write(core::LogLevel::kError,
                "A plugin does not come back from a status; the process ends without it.");
    return false;
  }
  if (lock_) {
    unlink((state_dir_ + "/" + kAdminSocketName).c_str());
    lock_.reset();
  }
  return true;
}

}  // namespace dstream::host
