#include "rpc/write_queue.h"

#include <utility>

#include <glog/logging.h>

namespace ringmaster {
namespace {

constexpr std::size_t kChunkBytes = 64 * 1024;
constexpr std::size_t kSpareChunks = 16;

}  // namespace

std::string& WriteQueue::open_chunk() {
  if (!waiting_.empty() && waiting_.back().size() < kChunkBytes) return waiting_.back();
  if (spare_.empty()) return waiting_.emplace_back();
  waiting_.push_back(std::move(spare_.back()));
  spare_.pop_back();
  return waiting_.back();
}

bool WriteQueue::seal(const FrameHeader& header, std::size_t at) {
  std::string& chunk = waiting_.back();
  const std::size_t length = chunk.size() - at - kFrameHeaderBytes;
  if (length > kMaxPayloadBytes) {
    refused_bytes_ = length;
    chunk.resize(at);
    if (at == 0) waiting_.pop_back();
    return false;
  }
  write_frame_header(header, length, chunk.data() + at);
  waiting_bytes_ += kFrameHeaderBytes + length;
  return true;
}

void WriteQueue::push_raw(std::string_view bytes) {
  open_chunk().append(bytes);
  waiting_bytes_ += bytes.size();
}

std::vector<std::string_view> WriteQueue::take() {
  CHECK_EQ(flying_bytes_, 0u);
  flying_.swap(waiting_);
  flying_bytes_ = std::exchange(waiting_bytes_, 0);
  taken_ += flying_bytes_;
  return {flying_.begin(), flying_.end()};
}

void WriteQueue::landed() {
  for (auto& chunk : flying_) {
    // A chunk that held one giant frame is not worth keeping.
    if (spare_.size() == kSpareChunks || chunk.capacity() > 4 * kChunkBytes) continue;
    chunk.clear();
    spare_.push_back(std::move(chunk));
  }
  flying_.clear();
  flying_bytes_ = 0;
}

void WriteQueue::trim() {
  if (waiting_bytes_ + flying_bytes_ > 0) return;
  spare_ = {};
  waiting_ = {};
  flying_ = {};
}

}  // namespace ringmaster
