// JsonList: many documents for `-o json`, as one array, or for `-o jsonl`, one a line; each is written as it
// comes. An array that was not ended stays open: whoever reads it sees that the list is not whole. One
// thread.
#pragma once

#include <ostream>

#include <boost/json/value.hpp>

#include "ctl/ctl.h"

namespace ringmaster {

class JsonList {
 public:
  explicit JsonList(Ctl& ctl) : ctl_(ctl) {}

  void add(const boost::json::value& value);
  void end();  // an empty list is `[]`

 private:
  Ctl& ctl_;
  bool begun_ = false;
};

// For people: members on lines of their own, indented by two.
void write_indented(std::ostream& out, const boost::json::value& value, std::size_t depth = 0);

}  // namespace ringmaster
