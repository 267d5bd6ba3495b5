-- The rival in Spark SQL of the benchmark `apply`, written by hand: the votes of apply_lfs.yaml.
-- Frozen: do not tune. {source} is the Delta table of comments.
--
-- Case is folded once. Where the words of a function need a look at word boundaries, plain searches for the
-- words stand before the regular expression, which is then evaluated for few rows: half the time of the
-- regular expressions alone.
SELECT
  comment_id AS item_id,
  CAST(CASE WHEN contains(low, 'http://') OR contains(low, 'https://') OR contains(low, 'www.')
              OR contains(low, '.com/')
            THEN 1 ELSE -1 END AS TINYINT) AS lf_contains_link,
  CAST(CASE WHEN contains(low, 'check') AND low RLIKE r'\bcheck\b.{0,20}\bout\b'
            THEN 1 ELSE -1 END AS TINYINT) AS lf_check_out,
  CAST(CASE WHEN contains(low, 'sub') AND low RLIKE r'\b(?:sub|subs|subscribe|subscribed|subscriber|subscribers)\b'
            THEN 1 ELSE -1 END AS TINYINT) AS lf_subscribe,
  CAST(CASE WHEN (contains(low, 'my ') OR contains(low, 'follow me'))
              AND low RLIKE r'\b(?:my channel|my video|my videos|my page|my cover|my music|follow me)\b'
            THEN 1 ELSE -1 END AS TINYINT) AS lf_my_channel,
  CAST(CASE WHEN (contains(low, 'free') OR contains(low, 'win') OR contains(low, 'cash') OR contains(low, 'money')
                  OR contains(low, 'gift') OR contains(low, 'giveaway') OR contains(low, 'prize')
                  OR contains(low, 'earn') OR contains(low, 'dollars'))
              AND low RLIKE r'\b(?:free|win|winner|cash|money|gift|giveaway|prize|earn|dollars)\b'
            THEN 1 ELSE -1 END AS TINYINT) AS lf_money,
  CAST(CASE WHEN (contains(low, 'please') OR contains(low, 'plz') OR contains(low, 'pls') OR contains(low, 'help me'))
              AND low RLIKE r'\b(?:please|plz|pls|help me)\b'
            THEN 1 ELSE -1 END AS TINYINT) AS lf_asks,
  CAST(CASE WHEN contains(text, '!!!') THEN 1 ELSE -1 END AS TINYINT) AS lf_exclaims,
  CAST(CASE WHEN length(text) < 20 THEN 0 ELSE -1 END AS TINYINT) AS lf_short,
  CAST(CASE WHEN (contains(low, 'love') OR contains(low, 'beautiful') OR contains(low, 'amazing')
                  OR contains(low, 'awesome') OR contains(low, 'best') OR contains(low, 'masterpiece')
                  OR contains(low, 'classic') OR contains(low, 'incredible') OR contains(low, 'perfect')
                  OR contains(low, 'favorite') OR contains(low, 'legend') OR contains(low, 'goosebumps')
                  OR contains(low, 'song') OR contains(low, 'music') OR contains(low, 'voice')
                  OR contains(low, 'beat'))
              AND low RLIKE r'\b(?:love|beautiful|amazing|awesome|best|masterpiece|classic|incredible|perfect|favorite|legend|goosebumps|song|music|voice|beat)\b'
            THEN 0 ELSE -1 END AS TINYINT) AS lf_praises,
  CAST(CASE WHEN (contains(low, ':') OR contains(low, 'in 20'))
              AND low RLIKE r'\b[0-9]{1,2}:[0-9]{2}\b|\bin 20[0-9]{2}\b'
            THEN 0 ELSE -1 END AS TINYINT) AS lf_recalls
FROM (SELECT comment_id, text, lower(text) AS low FROM {source})
