// The admin interface of a running host: on the socket in its state folder, and on admin.listen.
//
// Thread rule: one thread.
#pragma once

#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/base/file_system.h"
#include "core/base/log.h"
#include "host/admin.h"
#include "host/http_server.h"

namespace dstream::host {

class AdminService {
 public:
  // For the answer that is being made when the host ends.
  static constexpr int64_t kStopTimeoutMs = 3000;

  // Everything is borrowed.
  AdminService(const AdminSettings& settings, core::FileSystem* files, core::Log* log);
  AdminService(const AdminService&) = delete;
  AdminService& operator=(const AdminService&) = delete;

  // `listen` may be empty. That the socket cannot be had is logged and leaves the pipelines
  // running; an address that was asked for and cannot be had is an error: DS-ADMIN-LISTEN.
  core::Result<void> start(const std::string& listen);
  // False if a plugin keeps the thread: end the process with std::_Exit().
  bool stop();

 private:
  core::Result<Descriptor> own_socket();

  const std::string state_dir_;
  core::FileSystem* const files_;
  core::Log* const log_;
  Admin admin_;
  HttpServer server_;
  std::unique_ptr<core::FileLock> lock_;  // the socket is ours (I9)
};

}  // namespace dstream::host
