// The fixture of the contract suite: every test runs on both stores, with one master open.
#pragma once

#include <memory>
#include <string>

#include "tests/contract/sql/store_world.h"

namespace ringmaster {

class StoreContract : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (GetParam() == "Memory") {
      world_ = std::make_unique<MemoryWorld>();
    } else {
      world_ = std::make_unique<PgWorld>();
    }
    master_ = std::make_unique<Master>(*world_, 1);
    const auto opened = master_->open();
    ASSERT_TRUE(opened) << opened.error().message;
    store_id_ = *opened;
  }

  StoreWorld& world() { return *world_; }
  Master& master() { return *master_; }
  const std::string& store_id() const { return store_id_; }

 private:
  std::unique_ptr<StoreWorld> world_;
  std::unique_ptr<Master> master_;
  std::string store_id_;
};

}  // namespace ringmaster
