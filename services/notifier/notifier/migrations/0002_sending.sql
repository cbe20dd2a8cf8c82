-- What may be sent is found by probes of indexes, however many messages have ended or are planned for later.

CREATE INDEX send_window ON send (window_ends) WHERE state IN ('planned', 'refused');
CREATE INDEX send_stopping ON send (referral_id)
    WHERE message = 'supporter-stopped' AND state IN ('planned', 'refused', 'sending');
CREATE INDEX link_expires ON link (expires_at);

-- In nobody's way: within contact hours, of a programme that is not paused, and nobody is asked while another
-- supporter of the case has yet to be told to stop. Such a message may go once it is due.
-- No joins: the planner cannot know how few programmes are paused, and must not begin with their cases.
CREATE VIEW free_send AS
SELECT *
  FROM send s
 WHERE s.state IN ('planned', 'refused')
   AND (s.window_ends IS NULL OR s.window_ends > statement_timestamp())
   AND (SELECT c.programme FROM outreach_case c WHERE c.referral_id = s.referral_id)
       <> ALL (ARRAY(SELECT p.programme FROM outreach_pause p))
   AND NOT (s.message = 'supporter-asked' AND EXISTS (
            SELECT FROM send o
             WHERE o.referral_id = s.referral_id AND o.message = 'supporter-stopped'
               AND o.state IN ('planned', 'refused', 'sending')));
