#include <gtest/gtest.h>

#include <broadcast/words.hpp>

namespace broadcast {
namespace {

TEST(WordsTest, ListsThem) {
  EXPECT_EQ(listed({}), "");
  EXPECT_EQ(listed({"red"}), "red");
  EXPECT_EQ(listed({"red", "green"}), "red, green");
}

TEST(WordsTest, FindsTheNearestThatIsNear) {
  const std::vector<std::string> known = {"listen", "origins", "drain"};
  EXPECT_EQ(nearest("lisen", known), "listen");
  EXPECT_EQ(nearest("train", known), "drain");
  EXPECT_EQ(nearest("orgins", known), "origins");
  EXPECT_EQ(nearest("colour", known), "");
  EXPECT_EQ(nearest("x", {}), "");
}

TEST(WordsTest, ComparesNoWordThatIsTooLongToBeMistyped) {
  const std::string word(64, 'a');
  EXPECT_EQ(nearest(word, {word + "a"}), word + "a");
  EXPECT_EQ(nearest(word + "aa", {word + "a"}), "");
}

TEST(WordsTest, EscapesWhatAJsonPointerEscapes) {
  EXPECT_EQ(pointer_below("", "a"), "/a");
  EXPECT_EQ(pointer_below("/a", "b/c~d"), "/a/b~1c~0d");
}

}  // namespace
}  // namespace broadcast
