#include "ringmaster/codec.h"

#include <limits>

#include <gmock/gmock.h>

#include "tests/unit/sdk/handler_fixture.h"

namespace ringmaster::sdk {

struct Order {
  std::string item;
  int count = 0;
  bool operator==(const Order&) const = default;
};
template <>
struct Codec<Order> {
  static std::string encode(const Order& order) {
    return Fields().set("item", order.item).set("count", order.count).text();
  }
  static Order decode(std::string_view json) {
    const Fields fields = Fields::parse(json);
    return {fields.get<std::string>("item"), fields.get<int>("count")};
  }
};

namespace {

using testing::HasSubstr;

std::string why(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST(FieldsOfAPayload, ComeBackAsTheyWereSet) {
  const Fields fields = Fields::parse(Fields()
                                          .set("text", "a \"b\"\n\u00e9")
                                          .set("yes", true)
                                          .set("half", 0.5)
                                          .set("least", std::numeric_limits<std::int64_t>::min())
                                          .set("most", std::numeric_limits<std::uint64_t>::max())
                                          .set_json("nested", R"({"x": [1, 2]})")
                                          .text());
  EXPECT_EQ(fields.get<std::string>("text"), "a \"b\"\n\u00e9");
  EXPECT_TRUE(fields.get<bool>("yes"));
  EXPECT_EQ(fields.get<double>("half"), 0.5);
  EXPECT_EQ(fields.get<std::int64_t>("least"), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(fields.get<std::uint64_t>("most"), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(fields.get_json("nested"), R"({"x":[1,2]})");
  EXPECT_EQ(fields.get_or<int>("absent", 3), 3);
}

TEST(FieldsOfAPayload, KeepTheirOrderAndTheLastValue) {
  EXPECT_EQ(Fields().set("b", 1).set("a", "x").set("b", 2).text(), R"({"b":2,"a":"x"})");
}

TEST(FieldsOfAPayload, SayWhatIsWrongByName) {
  const Fields fields = Fields::parse(R"({"text": "x", "big": 300, "less": -1, "half": 0.5, "no": null})");
  EXPECT_EQ(why([&] { fields.get<std::string>("absent"); }), "absent: is missing");
  EXPECT_EQ(why([&] { fields.get<int>("text"); }), "text: must be an integer, and not too large");
  EXPECT_EQ(why([&] { fields.get<std::string>("big"); }), "big: must be a string");
  EXPECT_EQ(why([&] { fields.get<std::uint8_t>("big"); }), "big: is out of range");
  EXPECT_THAT(why([&] { fields.get<unsigned>("less"); }), HasSubstr("less: must be an integer from 0 on"));
  EXPECT_THAT(why([&] { fields.get<int>("half"); }), HasSubstr("half: must be an integer"));
  EXPECT_EQ(why([&] { fields.get<bool>("no"); }), "no: must be true or false");
}

TEST(FieldsOfAPayload, TheLastOfTwoCounts) {
  EXPECT_EQ(Fields::parse(R"({"a": 1, "b": 2, "a": 3})").get<int>("a"), 3);
}

TEST(FieldsOfAPayload, RefuseWhatIsNoObject) {
  EXPECT_THAT(why([] { Fields::parse("[1]"); }), HasSubstr("must be a JSON object"));
  EXPECT_THAT(why([] { Fields::parse("{"); }), HasSubstr("not JSON"));
  EXPECT_THAT(why([] { Fields().set_json("x", "{}}"); }), HasSubstr("not JSON"));
  EXPECT_THAT(why([] { Fields().set("x", std::numeric_limits<double>::infinity()); }), HasSubstr("finite"));
}

class TypedHandlers : public HandlerTest {
 protected:
  // The same adapters that Worker::handle() uses.
  template <class F>
  void typed(F handler) {
    blocking("typed", [handler](Attempt& attempt) -> HandlerResult<> {
      auto payload = detail::read_payload<Order>(attempt);
      if (!payload) return std::unexpected(payload.error());
      return detail::run(handler, attempt, std::move(*payload));
    });
  }
};

TEST_F(TypedHandlers, GetTheirPayloadAndTheirReturnValueIsTheOutput) {
  typed([](Attempt&, Order order) { return Order{order.item + "!", order.count + 1}; });
  const AttemptResult result = result_of(start("typed", {}, Codec<Order>::encode({"hat", 2})));
  EXPECT_EQ(result.outcome, ringmaster::Outcome::succeeded);
  EXPECT_EQ(Codec<Order>::decode(result.output_tail), (Order{"hat!", 3}));
}

TEST_F(TypedHandlers, APayloadThatCannotBeReadFailsForGoodWithTheFieldsName) {
  typed([](Attempt&, const Order&) { ADD_FAILURE() << "it ran"; });
  const AttemptResult result = result_of(start("typed", {}, R"({"item": "hat"})"));
  EXPECT_EQ(result.outcome, ringmaster::Outcome::failed);
  EXPECT_TRUE(result.permanent);
  EXPECT_EQ(result.message, "spec: count: is missing");
}

TEST_F(TypedHandlers, AReturnedFailureIsAFailedAttempt) {
  typed([](Attempt&, const Order&) -> HandlerResult<Order> { return std::unexpected(Failure{"sold out"}); });
  const AttemptResult result = result_of(start("typed", {}, Codec<Order>::encode({"hat", 2})));
  EXPECT_EQ(result.outcome, ringmaster::Outcome::failed);
  EXPECT_FALSE(result.permanent);
  EXPECT_EQ(result.message, "sold out");
}

TEST_F(TypedHandlers, AResultThatIsTooLongFailsForGoodInsteadOfBeingCut) {
  typed([](Attempt&, const Order&) { return std::string(20'000, 'x'); });
  const AttemptResult result = result_of(start("typed", {}, Codec<Order>::encode({"hat", 2})));
  EXPECT_EQ(result.outcome, ringmaster::Outcome::failed);
  EXPECT_TRUE(result.permanent);
  EXPECT_THAT(result.message, HasSubstr("20000 bytes, 16384 are allowed"));
}

TEST_F(TypedHandlers, CoroutinesAreTypedAlike) {
  auto handler = [](Attempt& attempt, Order order) -> Coroutine<HandlerResult<Order>> {
    co_await attempt.sleep_for(std::chrono::milliseconds(1));
    co_return Order{order.item, order.count * 2};
  };
  coroutine("typed",
            [handler](Attempt& attempt) { return detail::run_typed_coroutine<Order>(handler, attempt); });
  const AttemptResult result = result_of(start("typed", {}, Codec<Order>::encode({"hat", 2})));
  EXPECT_EQ(Codec<Order>::decode(result.output_tail), (Order{"hat", 4}));
  EXPECT_TRUE(result_of(start("typed", {}, "{}")).permanent);
}

}  // namespace
}  // namespace ringmaster::sdk
