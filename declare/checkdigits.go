package declare

import "strings"

// The check digits of the identifiers a declaration carries. Each function
// answers false for anything that has not the identifier's form.

// iso6346 checks a freight container number: three letters of the owner, the
// category U, J or Z, six digits and the check digit (ISO 6346).
func iso6346(number string) bool {
	if len(number) != 11 || !consistsOf(number[:3], isCapital) || !strings.Contains("UJZ", number[3:4]) || !consistsOf(number[4:], isDigit) {
		return false
	}
	return int(number[10]-'0') == iso6346Digit(number[:10])
}

// mrn checks a movement reference number: year, country, thirteen characters
// of the office's choosing, a procedure mark, and a check digit that is the
// one of ISO 6346 taken over the seventeen characters before it.
func mrn(number string) bool {
	if len(number) != 18 || !consistsOf(number[:2], isDigit) || !consistsOf(number[2:4], isCapital) || !consistsOf(number[4:17], isCapitalOrDigit) {
		return false
	}
	return isDigit(number[17]) && int(number[17]-'0') == iso6346Digit(number[:17])
}

// iso6346Digit weighs digits and capital letters by powers of two. Letters
// count from 10 (A) to 38 (Z), leaving out the multiples of 11.
func iso6346Digit(text string) int {
	sum, weight := 0, 1
	for i := range len(text) {
		value := int(text[i] - '0')
		if isCapital(text[i]) {
			value = int(text[i]-'A') + 10
			value += (value - 1) / 10 // 11, 22 and 33 are skipped
		}
		sum += value * weight
		weight = weight * 2 % 11
	}
	return sum % 11 % 10
}

// imoNumber checks a ship's IMO number: six digits weighted 7 to 2, and the
// last digit of their sum.
func imoNumber(number string) bool {
	if len(number) != 7 || !consistsOf(number, isDigit) {
		return false
	}
	sum := 0
	for i := range 6 {
		sum += int(number[i]-'0') * (7 - i)
	}
	return sum%10 == int(number[6]-'0')
}

const usccAlphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"

var usccWeights = [17]int{1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28}

// uscc checks a Chinese unified social credit code of eighteen characters
// (GB 32100-2015), an alphabet without I, O, S, V and Z.
func uscc(code string) bool {
	if len(code) != 18 {
		return false
	}
	sum := 0
	for i, weight := range usccWeights {
		value := strings.IndexByte(usccAlphabet, code[i])
		if value < 0 {
			return false
		}
		sum += value * weight
	}
	return strings.IndexByte(usccAlphabet, code[17]) == (31-sum%31)%31
}

func consistsOf(text string, is func(byte) bool) bool {
	for i := range len(text) {
		if !is(text[i]) {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool          { return '0' <= c && c <= '9' }
func isCapital(c byte) bool        { return 'A' <= c && c <= 'Z' }
func isCapitalOrDigit(c byte) bool { return isDigit(c) || isCapital(c) }
