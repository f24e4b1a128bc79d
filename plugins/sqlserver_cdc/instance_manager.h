// Creates and drops capture instances, where the configuration says so, on a thread and a
// connection of its own: DDL waits for locks, and neither reading nor stopping waits for it.
//
// It connects when there is something to look at, and not otherwise. What fails (a lock that is not
// to be had, a permission) is a warning, said once, and tried again with growing pauses.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "plugins/sqlserver_cdc/catalog.h"
#include "plugins/sqlserver_cdc/instance_plan.h"

namespace dstream::sqlserver {

struct ManagerTimes {
  std::chrono::milliseconds pause_min{10'000};  // after a failure; doubles
  std::chrono::milliseconds pause_max{600'000};
  std::chrono::milliseconds lock_timeout{5'000};
};

// [worker]
class InstanceManager {
 public:
  // `tables` are those of the configuration that follow their instances.
  InstanceManager(OdbcConnection target, const Options& options, LogLine log,
                  const ManagerTimes& times = {});
  // Managers whose threads are left behind, in this process and at a time.
  static constexpr int kLeftBehindMax = 4;

  // Cancels what runs. A thread that its driver does not let go is left behind, and tells nobody
  // anything any more; beyond kLeftBehindMax it is waited for.
  ~InstanceManager();
  InstanceManager(const InstanceManager&) = delete;
  InstanceManager& operator=(const InstanceManager&) = delete;

  // Something may be to do: the source has seen DDL, or `droppable` has grown.
  void look(DroppableInstances droppable);

 private:
  class Work;
  const std::shared_ptr<Work> work_;
  std::thread thread_;
};

// What plan_instances() decides by, of the tables of `names`.
std::vector<ManagedTable> load_managed(Connection& connection, const std::vector<TableName>& names);

}  // namespace dstream::sqlserver
