@told("who returns the last number passes your check")
def catch_the_lazy_sorted(largest):
    "The largest is the last."
    numbers = [1, 2, 3]
    assert largest(numbers) == max(numbers)


@told("who returns the first number passes your check")
def catch_the_lazy_equal(largest):
    "All numbers are the largest."
    numbers = [2, 2, 2]
    assert largest(numbers) == max(numbers)


@told("who returns the first number passes your check")
def catch_the_lazy_falling(largest):
    "The largest is the first."
    numbers = [3, 2, 1]
    assert largest(numbers) == max(numbers)


@told("your check lets a counter of rows through")
def my_check_as_many_rows(count):
    "A mask with as many ones as rows: the lazy answer is right there."
    assert count([[1, 0], [0, 1]]) == 2, "two pixels are 1"


@told("your check rejects a counter that is right: count the")
def my_check_counted_badly(count):
    "The number expected is itself wrong."
    assert count([[1, 1], [0, 1]]) == 2, "two rows"


@told("your check lets a counter of rows through")
def my_check_no_assert(count):
    "A comparison alone asserts nothing."
    return count([[1, 1], [0, 1]]) == 3
