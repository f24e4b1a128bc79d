#include "plugins/sqlserver_cdc/fetch_queue.h"

#include <utility>

namespace dstream::sqlserver {
namespace {

template <class Task>
std::optional<Task> take_front(std::deque<Task>& tasks) {
  if (tasks.empty()) {
    return std::nullopt;
  }
  Task task = std::move(tasks.front());
  tasks.pop_front();
  return task;
}

}  // namespace

void FetchQueue::submit(FetchRequest request, Time now) {
  if (failure_) {
    return;  // the failure still to be told covers it: the stream asks for everything again
  }
  std::deque<Task>& tasks = std::holds_alternative<PageRequest>(request) ? pages_ : requests_;
  tasks.push_back({std::move(request), generation_, now});
}

std::optional<FetchQueue::Task> FetchQueue::next_for_first(size_t helpers_idle) {
  if (auto task = take_front(requests_)) {
    return task;
  }
  if (auto task = take_front(returned_)) {
    return task;
  }
  return pages_.size() > helpers_idle ? take_front(pages_) : std::nullopt;
}

std::optional<FetchQueue::Task> FetchQueue::next_for_helper() { return take_front(pages_); }

void FetchQueue::answer(const Task& task, FetchAnswer answer) {
  if (task.generation == generation_) {
    answers_.push_back(std::make_unique<FetchAnswer>(std::move(answer)));
  }
}

void FetchQueue::hand_back(Task task) {
  if (task.generation == generation_) {
    returned_.push_back(std::move(task));
  }
}

bool FetchQueue::fail(const Task& task, const SourceError& error) {
  if (task.generation != generation_) {
    return false;
  }
  fail(error);
  return true;
}

void FetchQueue::fail(const SourceError& error) {
  if (!failure_) {
    failure_ = Failure{error.status, error.what(), error.vendor_code, error.sqlstate};
  }
  ++generation_;
  requests_.clear();
  returned_.clear();
  pages_.clear();
}

void FetchQueue::throw_failure() const {
  if (failure_) {
    throw failure_->error();
  }
}

std::unique_ptr<FetchAnswer> FetchQueue::take() {
  if (!answers_.empty()) {
    std::unique_ptr<FetchAnswer> answer = std::move(answers_.front());
    answers_.pop_front();
    return answer;
  }
  if (failure_) {
    const Failure failure = *std::exchange(failure_, std::nullopt);
    throw failure.error();
  }
  return nullptr;
}

}  // namespace dstream::sqlserver
