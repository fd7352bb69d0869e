#include <map>

#include <gmock/gmock.h>
#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/account.h"
#include "worker/worker_settings.h"

namespace ringmaster {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<WorkerSettings> read(const std::map<std::string, std::string>& flags) {
  Settings settings(declare_worker_settings());
  for (const auto& [name, value] : flags) {
    if (auto set = settings.set_flag(name, value); !set) return std::unexpected(set.error());
  }
  return read_worker_settings(settings);
}

TEST(WorkerSettings, TheDefaultsServeThisMachineOnly) {
  const auto settings = read({});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->listen, "127.0.0.1:7430");
  EXPECT_THAT(settings->groups, ElementsAre("default"));
  EXPECT_GE(settings->slots, 1u);
  EXPECT_EQ(settings->drain_timeout, std::chrono::seconds(30));
}

TEST(WorkerSettings, RefusesAnOpenPortWithoutASecret) {
  const auto settings = read({{"listen", "10.0.0.1:7430"}});
  ASSERT_FALSE(settings);
  EXPECT_EQ(settings.error().field, "listen");
  EXPECT_THAT(settings.error().message, HasSubstr("secret_file"));
}

TEST(WorkerSettings, RefusesWhatIsNotAllowedAndNamesTheField) {
  const struct {
    const char* name;
    const char* value;
  } cases[] = {
      {"node_id", "a b"},        {"node_id", "../x"},
      {"groups", "default,a b"}, {"groups", ""},
      {"log_level", "chatty"},   {"slots", "0"},
      {"prefetch", "many"},      {"secret_file", "/nonexistent"},
      {"log_retention", "59s"},
  };
  for (const auto& each : cases) {
    const auto settings = read({{each.name, each.value}});
    ASSERT_FALSE(settings) << each.name << "=" << each.value;
    EXPECT_THAT(settings.error().message,
                HasSubstr(each.name == std::string("secret_file") ? "/nonexistent" : each.name));
  }
}

TEST(WorkerSettings, NeedTheRightsToKeepOtherUsersAttemptsInHand) {
  EXPECT_EQ(missing_capabilities(~std::uint64_t{0}), "");
  EXPECT_EQ(missing_capabilities(0), "CAP_KILL, CAP_SETGID, CAP_SETUID, CAP_SYS_PTRACE");
  if (!missing_capabilities(effective_capabilities()).empty() || !look_up_account("nobody"))
    GTEST_SKIP() << "only root has them";
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct all[_LINUX_CAPABILITY_U32S_3] = {};
  ASSERT_EQ(::syscall(SYS_capget, &header, &all), 0);
  __user_cap_data_struct less[] = {all[0], all[1]};
  less[0].effective &= ~(1U << CAP_SYS_PTRACE);  // as in a container
  ASSERT_EQ(::syscall(SYS_capset, &header, &less), 0);
  const auto allowed = read({{"allowed_users", "nobody"}});
  const auto own = read({{"allowed_users", "root"}});
  ASSERT_EQ(::syscall(SYS_capset, &header, &all), 0);
  ASSERT_FALSE(allowed);
  EXPECT_EQ(allowed.error().message,
            "allowed_users: to run attempts as user nobody the worker needs CAP_SYS_PTRACE");
  EXPECT_TRUE(own) << own.error().message;
  EXPECT_TRUE(read({{"allowed_users", "nobody"}}));
}

}  // namespace
}  // namespace ringmaster
